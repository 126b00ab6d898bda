"""Sanyal et al. 2020, Figure 7: how much of the energy of the activations of one class its first direction carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    PLAIN,
    RESNET18,
    TWO,
    exceeds,
    together,
)
from corank.experiment.recipes.low_rank_representations.spectra import (
    AXES,
    BEFORE_THE_CLASSIFIER,
    MNIST_SPREAD,
    OF_CLASSES,
    SMALL_SPREAD,
    Spread,
    grid,
    spread_row,
)


def _first_carries_more(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether before the classifier the first direction of each class carries more than in the plain model."""
    last = [row for row in rows if row["place"] == BEFORE_THE_CLASSIFIER]
    return together([exceeds(last, column.name, model) for model in DEFENDED for column in OF_CLASSES])


TABLE = Table(
    title="The share of the energy of one class in its first direction",
    axes=AXES,
    columns=OF_CLASSES,
    presets={
        "smoke": (grid(SMALL_SPREAD, models=(PLAIN, TWO), stands_in=True),),
        "quick": (grid(MNIST_SPREAD, stands_in=True),),
        "paper": (grid(Spread(comparing=RESNET18)),),
    },
    claims=(
        Claim(
            quote="the sets of basis vectors explaining the activations belonging to each individual classes are less "
            "intersecting than it is in the case of the model trained without the LR-layer",
            holds=_first_carries_more,
        ),
    ),
)


def run_cell(cell: Cell[Spread], bench: Bench) -> Mapping[str, Any]:
    """One place in one model."""
    return spread_row(cell, bench)
