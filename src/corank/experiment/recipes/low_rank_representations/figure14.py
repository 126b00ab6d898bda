"""Sanyal et al. 2020, Figure 14: layer cushions in the third stage of ResNet-18 on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Table
from corank.experiment.recipes.low_rank_representations.cushioned import (
    AXES,
    CIFAR10_CUSHIONS,
    COLUMNS,
    MEDIAN,
    Cushioned,
    cushion_row,
    stage_presets,
)
from corank.experiment.recipes.low_rank_representations.models import ONE, TWO, exceeds


def _only_two_is_right(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether 2-LR has the larger medians than the plain network, and 1-LR has not."""
    two, one = (exceeds(rows, MEDIAN.name, model) for model in (TWO, ONE))
    return None if two is None or one is None else two and not one


TABLE = Table(
    title="Layer cushions in the third stage of ResNet-18 on CIFAR-10",
    axes=AXES,
    columns=COLUMNS,
    presets=stage_presets(3, CIFAR10_CUSHIONS),
    claims=(Claim(quote="only 2-LR shows an increased cushion in Layer 3", holds=_only_two_is_right),),
)


def run_cell(cell: Cell[Cushioned], bench: Bench) -> Mapping[str, Any]:
    """One layer of one model."""
    return cushion_row(cell, bench)
