"""Sanyal et al. 2020, Figure 5: as Figure 2, for VGG-19 before its first and third fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.models import PLAIN, TWO, VGG19
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

_MODELS = (PLAIN, TWO)
TABLE = Table(
    title="The share of the activations' energy in few directions, VGG-19 on CIFAR-10",
    axes=AXES,
    columns=RATIOS,
    presets={
        "smoke": (grid(SMALL_SPREAD, models=_MODELS, stands_in=True),),
        "quick": (grid(MNIST_SPREAD, models=_MODELS, stands_in=True),),
        "paper": (grid(Spread(comparing=VGG19), models=_MODELS),),
    },
    claims=(
        Claim(
            quote="The LR models show a better low rank structure than N-LR models and is consistent with experiments "
            "on ResNet18",
            holds=leaks_less,
        ),
    ),
)


def run_cell(cell: Cell[Spread], bench: Bench) -> Mapping[str, Any]:
    """One place in one model."""
    return spread_row(cell, bench)
