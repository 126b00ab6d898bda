"""Daulbaev 2023, Figure 2.9: evaluations of the field over a training; the cells are those of Table 2.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table
from corank.experiment.recipes.ode.learning import (
    DATASETS,
    NODES,
    PUBLISHED,
    QUICK,
    SMALL,
    Learning,
    by_method,
    cells_of,
    learnt,
)


def _fewer_evaluations(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether every IRDM took fewer evaluations than RDM on its data set."""
    verdicts = [
        count < counts[None]
        for counts in by_method(rows, "evaluations").values()
        if None in counts
        for nodes, count in counts.items()
        if nodes is not None
    ]
    return all(verdicts) if verdicts else None


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
            holds=_fewer_evaluations,
        ),
    ),
)


def run_cell(cell: Cell[Learning], bench: Bench) -> Mapping[str, Any]:
    """One training."""
    return learnt(cell, bench)
