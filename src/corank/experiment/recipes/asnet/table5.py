"""Cui et al. 2020, Table 5: ResNet-110 on CIFAR-100, cut after its convolutions 75, 81 and 87."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Grid, Table, every
from corank.experiment.recipes.asnet.cutting import COSTS, SMALL, SMALL_SPARSE, TOP1, TOP5, Cutting, cut_row

_PUBLISHED = Cutting(network="resnet110", classes=100, data="cifar100", teacher_epochs=60, pre_rate=1e-3)
_COUNTS_ONLY = replace(_PUBLISHED, data=None)
_CELLS = ({"network": "teacher"}, *every(network=["ASNet"], layer=[75, 81, 87], rank=[50]))
_SPARSE = replace(_PUBLISHED, sparse_epochs=100)
_SPARSE_CELLS = every(network=["ASNet-s"], layer=[75, 81, 87], rank=[50])

TABLE = Table(
    title="ASNet of ResNet-110 on CIFAR-100",
    axes=("network", "layer", "rank"),
    columns=(TOP1, TOP5, *COSTS),
    presets={
        "smoke": (
            Grid(cells=_CELLS, options=_COUNTS_ONLY),
            Grid(cells=every(network=["ASNet"], layer=[2], rank=[5]), options=SMALL, stands_in=True),
            Grid(cells=every(network=["ASNet-s"], layer=[2], rank=[5]), options=SMALL_SPARSE, stands_in=True),
        ),
        "quick": (Grid(cells=_CELLS, options=_COUNTS_ONLY),),
        "paper": (Grid(cells=_CELLS, options=_PUBLISHED), Grid(cells=_SPARSE_CELLS, options=_SPARSE)),
    },
)


def run_cell(cell: Cell[Cutting], bench: Bench) -> Mapping[str, Any]:
    """The teacher, or one cut of it."""
    return cut_row(cell, bench)
