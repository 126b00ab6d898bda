"""Langenberg et al. 2019, Table 1: the accuracy of the fully connected network after each training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Grid, Table
from corank.experiment.recipes.low_rank_weights.defending import (
    ACCURACY,
    FCNN,
    FCNN_PAPER,
    SMALL,
    Defending,
    fcnn_cells,
    fooling_row,
    small_cells,
)

TABLE = Table(
    title="Test accuracy of the fully connected network",
    axes=("method", "l1", "nuclear"),
    columns=(ACCURACY,),
    presets={
        "smoke": (Grid(cells=small_cells(), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=fcnn_cells(), options=FCNN),),
        "paper": (Grid(cells=fcnn_cells(), options=FCNN_PAPER),),
    },
    claims=(),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return fooling_row(cell, bench)
