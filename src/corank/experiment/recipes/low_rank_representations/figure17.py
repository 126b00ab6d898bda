"""Sanyal et al. 2020, Figure 17: layer cushions in the first stage of ResNet-18 on SVHN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Table
from corank.experiment.recipes.low_rank_representations.cushioned import (
    AXES,
    COLUMNS,
    SVHN_CUSHIONS,
    Cushioned,
    cushion_row,
    stage_presets,
)

TABLE = Table(
    title="Layer cushions in the first stage of ResNet-18 on SVHN",
    axes=AXES,
    columns=COLUMNS,
    presets=stage_presets(1, SVHN_CUSHIONS),
)


def run_cell(cell: Cell[Cushioned], bench: Bench) -> Mapping[str, Any]:
    """One layer of one model."""
    return cushion_row(cell, bench)
