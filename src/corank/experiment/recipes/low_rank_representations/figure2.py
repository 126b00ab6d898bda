"""Sanyal et al. 2020, Figure 2: the share of the activations' energy in few directions, ResNet-18 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.models import PLAIN, RESNET18, TWO
from corank.experiment.recipes.low_rank_representations.spectra import (
    AXES,
    MNIST_SPREAD,
    RATIOS,
    SMALL_SPREAD,
    Spread,
    grid,
    is_alone,
    leaks_hardly,
    spread_row,
)

TABLE = Table(
    title="The share of the activations' energy in few directions, ResNet-18 on CIFAR-10",
    axes=AXES,
    columns=RATIOS,
    presets={
        "smoke": (grid(SMALL_SPREAD, models=(PLAIN, TWO), stands_in=True),),
        "quick": (grid(MNIST_SPREAD, stands_in=True),),
        "paper": (grid(Spread(comparing=RESNET18)),),
    },
    claims=(
        Claim(quote="the LR-models have almost negligible variance leakage", holds=leaks_hardly),
        Claim(
            quote="2-LR is the only model that shows a (reasonably) low-rank structure on that layer", holds=is_alone
        ),
    ),
)


def run_cell(cell: Cell[Spread], bench: Bench) -> Mapping[str, Any]:
    """One place in one model."""
    return spread_row(cell, bench)
