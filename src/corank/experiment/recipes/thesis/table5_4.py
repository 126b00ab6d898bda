"""Daulbaev 2023, Table 5.4: reduced networks of VGG-19 on CIFAR-10 beside other methods.

Those rows of Table 5.1 that the thesis compares; what it prints of other methods is quoted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Grid, Table
from corank.experiment.recipes.thesis.reducing import DROP_AFTER, PUBLISHED, QUICK, RATIO, SMALL, Reducing, reduced_row

_CELLS: tuple[Axes, ...] = (
    {"network": "pruned"},
    {"network": "RON", "from_layer": 7},
    {"network": "pruned+RON", "from_layer": 9},
    {"network": "pruned+RON", "from_layer": 7},
)
_SMALL_CELLS: tuple[Axes, ...] = ({"network": "pruned"}, {"network": "pruned+RON", "from_layer": 5})

TABLE = Table(
    title="Reduced and pruned networks beside other methods, VGG-19 on CIFAR-10",
    axes=("network", "from_layer"),
    columns=(RATIO, DROP_AFTER),
    presets={
        "smoke": (Grid(cells=_SMALL_CELLS, options=SMALL, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=QUICK),),
        "paper": (Grid(cells=_CELLS, options=PUBLISHED),),
    },
)


def run_cell(cell: Cell[Reducing], bench: Bench) -> Mapping[str, Any]:
    """One of the networks of Table 5.1."""
    return reduced_row(cell, bench)
