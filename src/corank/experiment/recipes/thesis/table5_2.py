"""Daulbaev 2023, Table 5.2: VGG-19 on CIFAR-100 with the features of its last layers 10 and 20 times fewer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Grid, Table, every
from corank.experiment.recipes.thesis.reducing import (
    DROP_AFTER,
    DROP_BEFORE,
    QUICK,
    RATIO,
    SMALL,
    SPEED_UP,
    TOP1_AFTER,
    TOP1_BEFORE,
    TOP5_AFTER,
    TOP5_BEFORE,
    Reducing,
    comparable,
    reduced_row,
)

_PUBLISHED = Reducing(network="vgg19", data="cifar100", teacher_epochs=60)
_CELLS: tuple[Axes, ...] = (
    {"network": "teacher"},
    *every(network=["RON"], factor=[10, 20], from_layer=[8, 10]),
    {"network": "RON", "factor": 10, "from_layer": 12},
)
_SMALL_CELLS: tuple[Axes, ...] = ({"network": "teacher"}, {"network": "RON", "factor": 4, "from_layer": 5})

TABLE = Table(
    title="VGG-19 on CIFAR-100, ranks by a constant factor",
    axes=("network", "factor", "from_layer"),
    columns=(TOP1_BEFORE, TOP5_BEFORE, TOP1_AFTER, TOP5_AFTER, SPEED_UP, RATIO, DROP_BEFORE, DROP_AFTER),
    presets={
        "smoke": (Grid(cells=_SMALL_CELLS, options=SMALL, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=QUICK),),
        "paper": (Grid(cells=_CELLS, options=_PUBLISHED),),
    },
)


def run_cell(cell: Cell[Reducing], bench: Bench) -> Mapping[str, Any]:
    """The teacher, or one reduced network; on other data than the paper's its accuracy is told as a drop alone."""
    return comparable(reduced_row(cell, bench), cell, _PUBLISHED)
