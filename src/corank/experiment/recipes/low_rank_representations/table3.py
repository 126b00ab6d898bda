"""Sanyal et al. 2020, Table 3: relative lengths of the smallest perturbations that make 99 of 100 images fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.minimal import (
    AXES,
    PRESETS,
    RHO_DEEPFOOL,
    RHO_FGSM,
    RHO_LEAST_LIKELY,
    minimal_row,
    times_the_plain,
)
from corank.experiment.recipes.low_rank_representations.models import Comparing

COLUMNS = (RHO_DEEPFOOL, RHO_LEAST_LIKELY, RHO_FGSM)


def _four_times(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether models with low-rank layers need at least four times the noise under some attack, and more under all."""
    found = times_the_plain(rows, [column.name for column in COLUMNS])
    return min(found) > 1 and max(found) >= 4 if found else None


TABLE = Table(
    title="Relative lengths of the smallest perturbations that make 99 of 100 images fail",
    axes=AXES,
    columns=COLUMNS,
    presets=PRESETS,
    claims=(
        Claim(
            quote="LR models require 4 to 11 times the amount of noise required by N-LR models to be fooled by "
            "adversarial attacks",
            holds=_four_times,
        ),
    ),
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model, white or black box."""
    return minimal_row(cell, bench)
