"""Sanyal et al. 2020, Table 8: as Table 5, for VGG-19 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.low_rank_representations.embedded import (
    ACCURACY,
    MNIST_DEEP,
    SMALL_LAST,
    Embedding,
    embedded_row,
)
from corank.experiment.recipes.low_rank_representations.models import ONE, PLAIN, TWO, VGG19


def _differ_little(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether no two models differ by more than a point on the same dimensions."""
    spreads = [
        abs(row[ACCURACY.name] - beside[ACCURACY.name])
        for row in rows
        for beside in rows
        if row["model"] != beside["model"] and row["dimensions"] == beside["dimensions"]
    ]
    return max(spreads) <= 1 if spreads else None


TABLE = Table(
    title="Accuracy of a linear classifier on few directions of the embedding, VGG-19",
    axes=("model", "dimensions"),
    columns=(ACCURACY,),
    presets={
        "smoke": (Grid(cells=every(model=[ONE, PLAIN], dimensions=[10]), options=SMALL_LAST, stands_in=True),),
        "quick": (Grid(cells=every(model=[TWO, PLAIN], dimensions=[800, 20, 10]), options=MNIST_DEEP, stands_in=True),),
        "paper": (
            Grid(
                cells=every(model=[TWO, PLAIN], dimensions=[512, 20, 10]),
                options=Embedding(comparing=VGG19, is_deep=True),
            ),
        ),
    },
    claims=(
        Claim(
            quote="the difference in accuracy here is less stark than the case of ResNet",
            holds=_differ_little,
        ),
    ),
)


def run_cell(cell: Cell[Embedding], bench: Bench) -> Mapping[str, Any]:
    """One hybrid model."""
    return embedded_row(cell, bench)
