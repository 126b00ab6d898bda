"""Daulbaev 2023, Table 4.2: robust accuracy in black-box attacks of networks trained with Meta ODE blocks, CIFAR-10."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.thesis.black_box import (
    ATTACKS,
    SOURCES,
    WONG,
    BlackBox,
    robust_columns,
    robust_row,
)
from corank.experiment.recipes.thesis.meta import PUBLISHED, QUICK, REGIMES, SMALL, meta_trained

RADII = (2, 4, 8, 16, 32)


def _leads(regime: str, radii: Sequence[int]) -> Callable[[Sequence[Mapping[str, Any]]], bool | None]:
    """Whether a regime has the best mean over all sources and attacks at these radii."""

    def holds(rows: Sequence[Mapping[str, Any]]) -> bool | None:
        means = _means(rows, radii)
        return None if means is None else means[regime] == max(means.values())

    return holds


def _means(rows: Sequence[Mapping[str, Any]], radii: Sequence[int]) -> dict[str, float] | None:
    """Of each regime; None where not all of them met the same attacks."""
    found = {regime: [row for row in rows if row["regime"] == regime] for regime in REGIMES}
    if not rows or len({len(own) for own in found.values()}) > 1:
        return None
    return {regime: fmean(row[f"robust_{radius}"] for row in own for radius in radii) for regime, own in found.items()}


def _smoothing_is_mostly_best(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether smoothing is the best regime against more than half of the attacks, radii and sources."""
    if _means(rows, RADII) is None:
        return None
    cases: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        for radius in RADII:
            case = (row["source"], row["attack"], str(radius))
            cases.setdefault(case, {})[row["regime"]] = row[f"robust_{radius}"]
    return sum(case["smoothing"] == max(case.values()) for case in cases.values()) > len(cases) / 2


def _ensembling_helps(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether ensembling is above standalone on average at the two largest radii."""
    means = _means(rows, RADII[-2:])
    return None if means is None else means["ensembling"] > means["standalone"]


TABLE = Table(
    title="Robust accuracy in black-box attacks by the regime of the Meta ODE blocks, radii in 255ths",
    axes=("source", "attack", "regime"),
    columns=robust_columns(RADII),
    presets={
        "smoke": (
            Grid(
                cells=every(source=[WONG], attack=["deepfool", "fgsm"], regime=["smoothing"]),
                options=BlackBox(**SMALL, source_network="vgg_digits"),
                stands_in=True,
            ),
        ),
        "quick": (
            Grid(
                cells=every(source=[WONG], attack=ATTACKS, regime=REGIMES),
                options=BlackBox(**QUICK, source_network="preresnet20"),
                stands_in=True,
            ),
        ),
        "paper": (Grid(cells=every(source=[*SOURCES], attack=ATTACKS, regime=REGIMES), options=BlackBox(**PUBLISHED)),),
    },
    claims=(
        Claim(quote="solver switching outperforms other regimes when ε is small", holds=_leads("switching", RADII[:1])),
        Claim(
            quote="the solver ensembling regime can be helpful for high values of perturbations",
            holds=_ensembling_helps,
        ),
        Claim(quote="the smoothing regime yields the best robustness in most cases", holds=_smoothing_is_mostly_best),
    ),
)


def run_cell(cell: Cell[BlackBox], bench: Bench) -> Mapping[str, Any]:
    """One regime under one attack of one source."""
    made = meta_trained(cell.options, bench, cell.seed, regime=str(cell.axes["regime"]))
    return robust_row(made, cell, bench, RADII)
