"""Sanyal et al. 2020, Figure 8: two principal components of the embedding, here as how far apart the classes lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.low_rank_representations.embedded import (
    ACCURACY,
    MNIST_LAST,
    SMALL_LAST,
    Embedding,
    embedded_row,
)
from corank.experiment.recipes.low_rank_representations.models import ONE, PLAIN, RESNET50_COARSE, exceeds

BETWEEN = Column(name="between", better="higher")
CAPTURED = Column(name="captured", better="higher")
_CELLS = every(model=[ONE, PLAIN], dimensions=[2])


def _more_separable(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether a larger share of the variance in the plane lies between the classes."""
    return exceeds(rows, BETWEEN.name, ONE)


TABLE = Table(
    title="How far apart the classes lie in the plane of two principal components",
    axes=("model", "dimensions"),
    columns=(BETWEEN, CAPTURED, ACCURACY),
    presets={
        "smoke": (Grid(cells=_CELLS, options=SMALL_LAST, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=MNIST_LAST, stands_in=True),),
        "paper": (Grid(cells=_CELLS, options=Embedding(comparing=RESNET50_COARSE)),),
    },
    claims=(
        Claim(
            quote="the clusters are more separable in the case of the model with LR-layer than the model without",
            holds=_more_separable,
        ),
    ),
)


def run_cell(cell: Cell[Embedding], bench: Bench) -> Mapping[str, Any]:
    """One model in the plane."""
    return embedded_row(cell, bench)
