"""Langenberg et al. 2019, Figure 2: ranks, sparsity and information of the fully connected network's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.low_rank_weights.defending import (
    FCNN,
    FCNN_PAPER,
    INFORMATION,
    LOW,
    METHODS,
    NATURAL,
    OF_LAYERS,
    SMALL,
    Defending,
    fcnn_cells,
    layer_row,
    lower,
    small_cells,
)


def _adversarial_lowers(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether both adversarial trainings leave the first layer lower in rank and in sparsity than the natural one."""
    return lower(rows, LOW, every(method=METHODS[1:], layer=[1]), than={"method": NATURAL, "layer": 1})


def _l1_lowers_rank(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the absolute sum alone leaves the first layer of lower rank than the natural training does."""
    ours = [{"l1": 0.01, "nuclear": 0.0, "layer": 1}]
    return lower(rows, ["effective_rank"], ours, than={"method": NATURAL, "layer": 1})


TABLE = Table(
    title="Effective rank and sparsity of the fully connected network",
    axes=("method", "l1", "nuclear", "layer"),
    columns=(*OF_LAYERS, *INFORMATION),
    presets={
        "smoke": (Grid(cells=small_cells(layer=[1, 2]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=fcnn_cells(layer=range(1, 7)), options=FCNN),),
        "paper": (Grid(cells=fcnn_cells(layer=range(1, 7)), options=FCNN_PAPER),),
    },
    claims=(
        Claim(
            quote="adversarial training decreases the effective rank and the effective sparsity",
            holds=_adversarial_lowers,
        ),
        Claim(quote="also decreases the effective rank of", holds=_l1_lowers_rank),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network and layer."""
    return layer_row(cell, bench)
