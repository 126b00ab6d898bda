"""Sanyal et al. 2020, Figure 4a: accuracy over the relative length of the perturbations, ResNet-18 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.models import MNIST, RESNET18, SMALL, Comparing
from corank.experiment.recipes.low_rank_representations.step_by_step import (
    AXES,
    INSTANTANEOUS,
    RHO,
    grid,
    needs_more,
    step_row,
)

TABLE = Table(
    title="Accuracy over the relative length of the perturbations, ResNet-18 on CIFAR-10",
    axes=AXES,
    columns=(RHO, INSTANTANEOUS),
    presets={
        "smoke": (grid(SMALL, steps=[1, 4], stands_in=True),),
        "quick": (grid(MNIST, stands_in=True),),
        "paper": (grid(RESNET18),),
    },
    claims=(
        Claim(
            quote="the accuracy of N-LR models decreases much faster than the LR models",
            holds=needs_more,
        ),
    ),
)  # fmt: skip


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """A point of a curve."""
    return step_row(cell, bench)
