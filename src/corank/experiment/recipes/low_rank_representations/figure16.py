"""Sanyal et al. 2020, Figure 16: as Figure 4b, on SVHN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Table
from corank.experiment.recipes.low_rank_representations.displaced import AXES, COLUMNS, displaced_row, grid
from corank.experiment.recipes.low_rank_representations.models import MNIST, RESNET18_SVHN, SMALL, Comparing

TABLE = Table(
    title="How far perturbations move inputs and representations, ResNet-18 on SVHN",
    axes=AXES,
    columns=COLUMNS,
    presets={
        "smoke": (grid(SMALL, radii=[8], stands_in=True),),
        "quick": (grid(MNIST, stands_in=True),),
        "paper": (grid(RESNET18_SVHN),),
    },
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model at one radius."""
    return displaced_row(cell, bench)
