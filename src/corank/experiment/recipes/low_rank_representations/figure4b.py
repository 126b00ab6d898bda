"""Sanyal et al. 2020, Figure 4b: how far perturbations move inputs and representations, ResNet-18 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.displaced import (
    AXES,
    COLUMNS,
    attenuates,
    displaced_row,
    grid,
)
from corank.experiment.recipes.low_rank_representations.models import MNIST, RESNET18, SMALL, Comparing

TABLE = Table(
    title="How far perturbations move inputs and representations, ResNet-18 on CIFAR-10",
    axes=AXES,
    columns=COLUMNS,
    presets={
        "smoke": (grid(SMALL, radii=[8], stands_in=True),),
        "quick": (grid(MNIST, stands_in=True),),
        "paper": (grid(RESNET18),),
    },
    claims=(
        Claim(
            quote="the LR model significantly attenuates the adversarial perturbations thus making it harder to fool "
            "the softmax classifier",
            holds=attenuates,
        ),
    ),
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model at one radius."""
    return displaced_row(cell, bench)
