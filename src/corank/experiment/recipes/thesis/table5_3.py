"""Daulbaev 2023, Table 5.3: VGG-7 on SVHN with the features of its last layers 10 and 20 times fewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Grid, Table
from corank.experiment.recipes.thesis.reducing import (
    DROP_AFTER,
    DROP_BEFORE,
    QUICK,
    RATIO,
    SMALL,
    SPEED_UP,
    TOP1_AFTER,
    TOP1_BEFORE,
    Reducing,
    comparable,
    reduced_row,
)

_PUBLISHED = Reducing(network="vgg7", data="svhn", teacher_epochs=60)
_QUICK = replace(QUICK, network="vgg7", teacher_epochs=6)
_CELLS: tuple[Axes, ...] = (
    {"network": "teacher"},
    {"network": "RON", "factor": 10, "from_layer": 5},
    {"network": "RON", "factor": 20, "from_layer": 5},
    {"network": "RON", "factor": 20, "from_layer": 3},
)
_SMALL_CELLS: tuple[Axes, ...] = ({"network": "teacher"}, {"network": "RON", "factor": 4, "from_layer": 4})

TABLE = Table(
    title="VGG-7 on SVHN, ranks by a constant factor",
    axes=("network", "factor", "from_layer"),
    columns=(TOP1_BEFORE, TOP1_AFTER, SPEED_UP, RATIO, DROP_BEFORE, DROP_AFTER),
    presets={
        "smoke": (Grid(cells=_SMALL_CELLS, options=SMALL, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=_QUICK),),
        "paper": (Grid(cells=_CELLS, options=_PUBLISHED),),
    },
)


def run_cell(cell: Cell[Reducing], bench: Bench) -> Mapping[str, Any]:
    """The teacher, or one reduced network; on other data than the paper's its accuracy is told as a drop alone."""
    return comparable(reduced_row(cell, bench), cell, _PUBLISHED)
