"""Langenberg et al. 2019, Figure 5: ranks and sparsity of the convolutional network's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table
from corank.experiment.recipes.low_rank_weights.defending import (
    CNN,
    CNN_PAPER,
    OF_LAYERS,
    SMALL,
    Defending,
    cnn_cells,
    layer_row,
    lower,
    small_cells,
)


def _nuclear_lowers_rank(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the second layer's rank is lower with every nuclear strength than without."""
    ours = [{"layer": 2, "l1": 0.01, "nuclear": strength} for strength in (0.05, 0.1, 0.5)]
    return lower(rows, ["effective_rank"], ours, than={"layer": 2, "l1": 0.01, "nuclear": 0.0})


TABLE = Table(
    title="Effective rank and sparsity of the convolutional network",
    axes=("method", "l1", "nuclear", "layer"),
    columns=OF_LAYERS,
    presets={
        "smoke": (Grid(cells=small_cells(layer=[1, 2]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=cnn_cells(layer=range(1, 5)), options=CNN),),
        "paper": (Grid(cells=cnn_cells(layer=range(1, 5)), options=CNN_PAPER),),
    },
    claims=(
        Claim(
            quote="a considerably lower effective rank of $W^2$ can be obtained by adding nuclear-norm regularization",
            holds=_nuclear_lowers_rank,
        ),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network and layer."""
    return layer_row(cell, bench)
