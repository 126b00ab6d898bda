"""Langenberg et al. 2019, Figure 10: the convolutional network's second filters with regularisation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table
from corank.experiment.recipes.low_rank_weights.defending import (
    CNN,
    CNN_PAPER,
    CNN_STRENGTHS,
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

LAYER = 2

TABLE = Table(
    title="The convolutional network's second filters with regularisation",
    axes=("method", "l1", "nuclear"),
    columns=PICTURE,
    presets={
        "smoke": (Grid(cells=beside_natural(((0.01, 0.01),)), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=beside_natural(CNN_STRENGTHS), options=CNN),),
        "paper": (Grid(cells=beside_natural(CNN_STRENGTHS), options=CNN_PAPER),),
    },
    claims=(
        Claim(
            quote="We are able to obtain more sparse and lower-rank weights by introducing new regularizations.",
            holds=partial(lower, columns=LOW, ours=regularised(CNN_STRENGTHS), than={"method": NATURAL}),
        ),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return picture_row(cell, bench, LAYER)
