"""Daulbaev 2023, Figure 2.5: evaluations of the field a training step of the densities, by gradient method.

The planar cells are those of Table 2.1, the others those of Figure 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table
from corank.experiment.recipes.thesis.learning import (
    DATASETS,
    NODES,
    PUBLISHED,
    QUICK,
    SMALL,
    Learning,
    cells_of,
    irdm_takes_fewer,
    learnt,
)
from corank.experiment.recipes.thesis.tabular import TABLE_PUBLISHED, TABLE_QUICK, TABLE_SMALL

_TABLE = cells_of(("miniboone",), (16,))


TABLE = Table(
    title="Evaluations of the field in a training step of densities",
    axes=("dataset", "method", "nodes"),
    columns=(Column(name="evaluations_per_step", better="lower"),),
    presets={
        "smoke": (
            Grid(cells=cells_of(("moons",), (4,)), options=SMALL, stands_in=True),
            Grid[Learning](cells=_TABLE, options=TABLE_SMALL, stands_in=True),
        ),
        "quick": (
            Grid(cells=cells_of(DATASETS, (8, 16, 32)), options=QUICK),
            Grid[Learning](cells=_TABLE, options=TABLE_QUICK),
        ),
        "paper": (
            Grid(cells=cells_of(DATASETS, NODES), options=PUBLISHED),
            Grid[Learning](cells=_TABLE, options=TABLE_PUBLISHED),
        ),
    },
    claims=(
        Claim(
            quote=(
                "during training, the IRDM requires less computational time to achieve convergence and a smaller "
                "number of evaluations of the right-hand side function comparing to the baselines"
            ),
            holds=irdm_takes_fewer("evaluations_per_step"),
        ),
    ),
)


def run_cell(cell: Cell[Learning], bench: Bench) -> Mapping[str, Any]:
    """One training, forward and backward solves together."""
    return {"evaluations_per_step": learnt(cell, bench)["evaluations"] / cell.options.steps}
