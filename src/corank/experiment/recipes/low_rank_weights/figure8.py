"""Langenberg et al. 2019, Figure 8: the fully connected network's first weights with regularisation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table
from corank.experiment.recipes.low_rank_weights.defending import (
    FCNN,
    FCNN_PAPER,
    FCNN_STRENGTHS,
    LOW,
    NATURAL,
    PICTURE,
    SMALL,
    Defending,
    beside_natural,
    lower,
    picture_row,
    regularised,
)

LAYER = 1

TABLE = Table(
    title="The fully connected network's first weights with regularisation",
    axes=("method", "l1", "nuclear"),
    columns=PICTURE,
    presets={
        "smoke": (Grid(cells=beside_natural(((0.01, 0.01),)), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=beside_natural(FCNN_STRENGTHS), options=FCNN),),
        "paper": (Grid(cells=beside_natural(FCNN_STRENGTHS), options=FCNN_PAPER),),
    },
    claims=(
        Claim(
            quote="indicating sparsity and low-rankness",
            holds=partial(lower, columns=LOW, ours=regularised(FCNN_STRENGTHS), than={"method": NATURAL}),
        ),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return picture_row(cell, bench, LAYER)
