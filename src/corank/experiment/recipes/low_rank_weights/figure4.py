"""Langenberg et al. 2019, Figure 4: how often attacks fool the convolutional network after each training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table
from corank.experiment.recipes.low_rank_weights.defending import (
    CNN,
    CNN_PAPER,
    FOOLED,
    SMALL,
    Defending,
    cnn_cells,
    fooling_row,
    of,
    small_cells,
)


def _more_nuclear_less_fooled(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether each attack fools the network of the largest nuclear strength less than that of none."""
    pairs = [(of(rows, each.name, nuclear=0.0), of(rows, each.name, nuclear=0.5)) for each in FOOLED]
    if not all(none and most for none, most in pairs):
        return None
    return all(fmean(most) < fmean(none) for none, most in pairs)


TABLE = Table(
    title="Fooling ratios of the convolutional network",
    axes=("method", "l1", "nuclear"),
    columns=FOOLED,
    presets={
        "smoke": (Grid(cells=small_cells(), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=cnn_cells(), options=CNN),),
        "paper": (Grid(cells=cnn_cells(), options=CNN_PAPER),),
    },
    claims=(
        Claim(
            quote="We observe a significant improvement in terms of robustness",
            holds=_more_nuclear_less_fooled,
        ),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return fooling_row(cell, bench)
