"""Sanyal et al. 2020, Figure 6: as Figure 2, on SVHN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.models import PLAIN, RESNET18_SVHN, TWO
from corank.experiment.recipes.low_rank_representations.spectra import (
    AXES,
    MNIST_SPREAD,
    RATIOS,
    SMALL_SPREAD,
    Spread,
    grid,
    leaks_less,
    spread_row,
)

TABLE = Table(
    title="The share of the activations' energy in few directions, ResNet-18 on SVHN",
    axes=AXES,
    columns=RATIOS,
    presets={
        "smoke": (grid(SMALL_SPREAD, models=(PLAIN, TWO), stands_in=True),),
        "quick": (grid(MNIST_SPREAD, stands_in=True),),
        "paper": (grid(Spread(comparing=RESNET18_SVHN)),),
    },
    claims=(
        Claim(
            quote="The LR models show a better low rank structure than N-LR models and is consistent with experiments "
            "on CIFAR10",
            holds=leaks_less,
        ),
    ),
)


def run_cell(cell: Cell[Spread], bench: Bench) -> Mapping[str, Any]:
    """One place in one model."""
    return spread_row(cell, bench)
