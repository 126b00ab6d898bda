"""Langenberg et al. 2019, Figure 3: how often attacks fool the fully connected network after each training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table
from corank.experiment.recipes.low_rank_weights.defending import (
    FCNN,
    FCNN_PAPER,
    FOOLED,
    NATURAL,
    PGD_TRAINED,
    SMALL,
    Defending,
    fcnn_cells,
    fooling_row,
    of,
    small_cells,
)


def _below_natural(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether every attack fools every regularised network less than half as often as the natural one."""
    pairs = [(of(rows, each.name, method=NATURAL), of(rows, each.name, method="regularised")) for each in FOOLED]
    if not all(natural and ours for natural, ours in pairs):
        return None
    return all(max(ours) < fmean(natural) / 2 for natural, ours in pairs)


def _adversarial_is_best(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether PGD fools the network trained against it less than every regularised one."""
    trained, ours = of(rows, "fooled_pgd", method=PGD_TRAINED), of(rows, "fooled_pgd", method="regularised")
    return fmean(trained) < min(ours) if trained and ours else None


TABLE = Table(
    title="Fooling ratios of the fully connected network",
    axes=("method", "l1", "nuclear"),
    columns=FOOLED,
    presets={
        "smoke": (Grid(cells=small_cells(), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=fcnn_cells(), options=FCNN),),
        "paper": (Grid(cells=fcnn_cells(), options=FCNN_PAPER),),
    },
    claims=(
        Claim(
            quote="Both kinds of regularization substantially decrease the fooling ratios",
            holds=_below_natural,
            is_main=True,
        ),
        Claim(
            quote="we cannot still match the robustness of adversarial training",
            holds=_adversarial_is_best,
            is_main=True,
        ),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return fooling_row(cell, bench)
