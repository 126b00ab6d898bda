"""Accuracy and size of the perturbations after so many steps of an attack that does not stop (Sanyal et al. 2020).

Figures 4a and 9 draw the accuracy over the relative length of the perturbations, Figure 11 draws it beside the share of
images that no step so far has taken away. Steps are of one pixel value, as in D.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from corank.attack.bookkeeping import bookkeeping
from corank.attack.iterative_fgsm import IterativeFGSM
from corank.attack.least_likely import LeastLikely
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, Grid, digest, every
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    MODELS,
    PLAIN,
    Comparing,
    images_of,
)

RADIUS = 64 / 255  # within which the attacks stay
STEPS = (1, 2, 4, 8, 16, 32)
ATTACKS = {"Iter-FSGM": IterativeFGSM, "Iter-LL-FSGM": LeastLikely}
RHO = Column(name="rho")
INSTANTANEOUS = Column(name="accuracy", unit="%", better="higher")
CUMULATIVE = Column(name="cumulative_accuracy", unit="%", better="higher")
AXES = ("attack", "model", "steps")


def grid(
    options: Comparing, *, models: Sequence[str] = MODELS, steps: Sequence[int] = STEPS, stands_in: bool = False
) -> Grid[Comparing]:
    """Every attack on every model after so many steps."""
    cells = every(attack=[*ATTACKS], model=models, steps=steps)
    return Grid(cells=cells, options=options, stands_in=stands_in)


def step_row(cell: Cell[Comparing], bench: Bench) -> dict[str, Any]:
    """All columns above: shares of the images that keep their clean prediction, in percent."""
    options, axes = cell.options, dict(cell.axes)
    key = f"low_rank_representations/steps/{digest([asdict(options), axes])}/seed-{cell.seed}"
    return dict(bench.store.once(key, lambda: _stepped(options, axes, cell.seed, bench)))


def length_at_half(rows: Sequence[Mapping[str, Any]], attack: str, model: str) -> float | None:
    """The relative length at which half the images have lost their class, between points of the curve in a line.

    Example:
        >>> curve = [{"attack": "a", "model": "m", "rho": rho, "accuracy": 100 - 250 * rho} for rho in (0.1, 0.3)]
        >>> round(length_at_half(curve, "a", "m"), 6)
        0.2
    """
    own = sorted(
        (row[RHO.name], row[INSTANTANEOUS.name]) for row in rows if (row["attack"], row["model"]) == (attack, model)
    )
    points = [(0.0, 100.0), *own]
    for (before, above), (after, below) in pairwise(points):
        if below <= 50 < above:
            return float(np.interp(50.0, [below, above], [after, before]))
    return None


def needs_more(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether models with low-rank layers keep half the images for longer perturbations than the plain one."""
    verdicts = []
    for attack in ATTACKS:
        plain = length_at_half(rows, attack, PLAIN)
        for model in {row["model"] for row in rows} & {*DEFENDED}:
            ours = length_at_half(rows, attack, model)
            if plain is not None:
                verdicts.append(ours is None or ours > plain)  # a curve that never falls so far needs more
    return all(verdicts) if verdicts else None


def _stepped(options: Comparing, axes: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, Any]:
    judged = options.trained(str(axes["model"]), bench)
    attack = ATTACKS[str(axes["attack"])](radius=RADIUS, steps=int(axes["steps"]), seed=seed)
    found = bookkeeping(attack, judged.network, images_of(judged)[0], bounds=judged.data.bounds)
    return {
        RHO.name: found.rho, INSTANTANEOUS.name: 100 * found.instantaneous[-1],
        CUMULATIVE.name: 100 * found.cumulative[-1],
    }  # fmt: skip
