"""Sanyal et al. 2020, Figure 4c: layer cushions of the last layers of ResNet-18 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.cushioned import (
    AXES,
    CIFAR10_CUSHIONS,
    COLUMNS,
    MNIST_CUSHIONS,
    SMALL_CUSHIONS,
    Cushioned,
    are_to_the_right,
    cushion_row,
    grid,
    plain_is_right_of_untrained,
)
from corank.experiment.recipes.low_rank_representations.models import PLAIN, UNTRAINED

TABLE = Table(
    title="Layer cushions of the last layers of ResNet-18 on CIFAR-10",
    axes=AXES,
    columns=COLUMNS,
    presets={
        "smoke": (grid(SMALL_CUSHIONS, ["classifier"], models=(PLAIN, UNTRAINED), stands_in=True),),
        "quick": (grid(MNIST_CUSHIONS, ["fc2", "conv2", "fc1"], stands_in=True),),
        "paper": (grid(CIFAR10_CUSHIONS, ["linear", "layer3.1.conv2", "layer4.1.conv2"]),),
    },
    claims=(
        Claim(quote="the histograms of the LR models are to the right of the N-LR model", holds=are_to_the_right),
        Claim(
            quote="which is further to the right of the randomly initialized network",
            holds=plain_is_right_of_untrained,
        ),
    ),
)


def run_cell(cell: Cell[Cushioned], bench: Bench) -> Mapping[str, Any]:
    """One layer of one model."""
    return cushion_row(cell, bench)
