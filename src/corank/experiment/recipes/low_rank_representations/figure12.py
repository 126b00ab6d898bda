"""Sanyal et al. 2020, Figure 12: layer cushions in the first stage of ResNet-18 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.cushioned import (
    AXES,
    CIFAR10_CUSHIONS,
    COLUMNS,
    Cushioned,
    are_to_the_right,
    cushion_row,
    stage_presets,
)

TABLE = Table(
    title="Layer cushions in the first stage of ResNet-18 on CIFAR-10",
    axes=AXES,
    columns=COLUMNS,
    presets=stage_presets(1, CIFAR10_CUSHIONS),
    claims=(Claim(quote="both 1-LR and 2-LR have higher cushions in all other layers", holds=are_to_the_right),),
)


def run_cell(cell: Cell[Cushioned], bench: Bench) -> Mapping[str, Any]:
    """One layer of one model."""
    return cushion_row(cell, bench)
