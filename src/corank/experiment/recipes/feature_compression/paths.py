"""What Tables 5 to 8 and Figures 3 and 6 share: pairs of images, the angles along their paths, the perturbations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from corank.attack.fast_minimum_norm import FastMinimumNorm
from corank.errors import InputError
from corank.measure import Pairs, boundary_forecast, feature_compression
from corank.result import jsonable

ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def experiments_on(
    network: nn.Module, pairs: Pairs, bounds: tuple[float, float], *, points: int, steps: int
) -> list[dict[str, Any]]:
    """What a network makes of each path, and the smallest perturbation found into the class of its end.

    Args:
        network: in evaluation mode.
        pairs: inputs and end points.
        bounds: of pixels, which perturbed images keep to.
        points: of each path.
        steps: of the minimum-norm attack.

    Returns:
        A row a pair, JSON-able.

    Raises:
        InputError: a pair whose ends the network does not tell apart.
    """
    found = feature_compression(network, pairs, points=points, bounds=bounds)
    if len(found.pairs) < len(pairs):
        raise InputError(
            f"the network tells the ends of {len(found.pairs)} of {len(pairs)} paths apart, all are needed"
        )
    attack = FastMinimumNorm(norm="l2", steps=steps)
    attacked = attack.attack(network, pairs.starts, pairs.start_classes, bounds=bounds, targets=pairs.end_classes)
    foretold = boundary_forecast(network, pairs.starts, pairs.start_classes, bounds=bounds, towards=pairs.end_classes)
    rows: list[dict[str, Any]] = []
    for row, length, predicted in zip(
        found.pairs, attacked.distances.tolist(), foretold.predicted.tolist(), strict=True
    ):
        half = row.L / 2
        rows.append(jsonable({
            **row.to_dict(), "cos_theta_t": row.cosine, "Q": length, "Q_over_half_L": length / half,
            "M_over_half_L": row.M / half, "M_b_over_half_L": row.M_b / half, "predicted": predicted,
        }))  # fmt: skip
    return rows


def cosine_at(row: Mapping[str, Any], alpha: Any, *, from_end: bool = False) -> float:
    """The cosine at a point of a path, or its mean over all of them where no point is named.

    Args:
        row: of a path.
        alpha: one of `ALPHAS`; None for the mean.
        from_end: whether alpha counts from the end of the path, as in Table 7.
    """
    cosines: list[float] = row["cosines"]
    if alpha is None:
        return sum(cosines) / len(cosines)
    place = ALPHAS.index(alpha)
    return cosines[-1 - place] if from_end else cosines[place]
