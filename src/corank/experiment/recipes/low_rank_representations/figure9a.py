"""Sanyal et al. 2020, Figure 9a: accuracy over the relative length of the perturbations, VGG-19 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Table
from corank.experiment.recipes.low_rank_representations.models import MNIST, ONE, PLAIN, SMALL, VGG19, Comparing
from corank.experiment.recipes.low_rank_representations.step_by_step import AXES, INSTANTANEOUS, RHO, grid, step_row

_MODELS = (PLAIN, ONE)
TABLE = Table(
    title="Accuracy over the relative length of the perturbations, VGG-19 on CIFAR-10",
    axes=AXES,
    columns=(RHO, INSTANTANEOUS),
    presets={
        "smoke": (grid(SMALL, models=_MODELS, steps=[1, 4], stands_in=True),),
        "quick": (grid(MNIST, models=_MODELS, stands_in=True),),
        "paper": (grid(VGG19, models=_MODELS),),
    },
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """A point of a curve."""
    return step_row(cell, bench)
