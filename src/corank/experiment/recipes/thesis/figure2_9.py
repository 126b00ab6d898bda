"""Daulbaev 2023, Figure 2.9: evaluations of the field over a training; the cells are those of Table 2.1."""

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

TABLE = Table(
    title="Evaluations of the field over a training of planar densities",
    axes=("dataset", "method", "nodes"),
    columns=(Column(name="evaluations", better="lower"),),
    presets={
        "smoke": (Grid(cells=cells_of(("moons",), (4,)), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=cells_of(DATASETS, (8, 16, 32)), options=QUICK),),
        "paper": (Grid(cells=cells_of(DATASETS, NODES), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote=(
                "the total number of the right-hand side function evaluations performed in IRDM is significantly "
                "smaller than in RDM"
            ),
            holds=irdm_takes_fewer("evaluations"),
            is_main=True,
        ),
    ),
)


def run_cell(cell: Cell[Learning], bench: Bench) -> Mapping[str, Any]:
    """One training."""
    return learnt(cell, bench)
