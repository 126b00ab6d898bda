"""Sanyal et al. 2020, Table 10: the budgets of Table 3, the smallest within which 99 of 100 images fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.minimal import (
    AXES,
    EPSILON_FGSM,
    EPSILON_LEAST_LIKELY,
    PRESETS,
    minimal_row,
    times_the_plain,
)
from corank.experiment.recipes.low_rank_representations.models import Comparing

COLUMNS = (EPSILON_LEAST_LIKELY, EPSILON_FGSM)


def _much_higher(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether every budget of the models with low-rank layers is larger, and some are at least twice as large."""
    found = times_the_plain(rows, [column.name for column in COLUMNS])
    return min(found) > 1 and max(found) >= 2 if found else None


TABLE = Table(
    title="The smallest budgets within which 99 of 100 images fail",
    axes=AXES,
    columns=COLUMNS,
    presets=PRESETS,
    claims=(
        Claim(
            quote="the minimum perturbation required for 99% mis-classification is much higher for LR models than "
            "N-LR models",
            holds=_much_higher,
        ),
    ),
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model, white or black box."""
    return minimal_row(cell, bench)
