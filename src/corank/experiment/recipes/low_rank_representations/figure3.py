"""Sanyal et al. 2020, Figure 3: images by DeepFool, here as the lengths of what it adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.deepfooled import (
    AXES,
    COLUMNS,
    PRESETS,
    adds_more,
    deepfool_row,
)
from corank.experiment.recipes.low_rank_representations.models import Comparing

TABLE = Table(
    title="What DeepFool adds to images, relative to their length",
    axes=AXES,
    columns=COLUMNS,
    presets=PRESETS,
    claims=(
        Claim(
            quote="The images against low-rank (LR) classifiers require more perturbations and are noticeably "
            "different.",
            holds=adds_more,
        ),
    ),
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model."""
    return deepfool_row(cell, bench)
