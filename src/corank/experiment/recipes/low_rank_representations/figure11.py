"""Sanyal et al. 2020, Figure 11: what one step of an attack takes, a later one may give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.models import MNIST, PLAIN, RESNET18, SMALL, Comparing
from corank.experiment.recipes.low_rank_representations.step_by_step import (
    AXES,
    CUMULATIVE,
    INSTANTANEOUS,
    grid,
    step_row,
)


def _some_come_back(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether some curve of what a step leaves lies above that of what no step so far took."""
    if not rows:
        return None
    return any(row[INSTANTANEOUS.name] > row[CUMULATIVE.name] for row in rows)


TABLE = Table(
    title="Accuracy after each step, and the share of images that no step so far has taken away",
    axes=AXES,
    columns=(INSTANTANEOUS, CUMULATIVE),
    presets={
        "smoke": (grid(SMALL, models=[PLAIN], steps=[1, 4], stands_in=True),),
        "quick": (grid(MNIST, stands_in=True),),
        "paper": (grid(RESNET18),),
    },
    claims=(
        Claim(
            quote="an adversarial example that has successfully fooled the classifier in a previous step can be "
            "classified correctly upon adding more perturbation",
            holds=_some_come_back,
        ),
    ),
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """Both accuracies after so many steps."""
    return step_row(cell, bench)
