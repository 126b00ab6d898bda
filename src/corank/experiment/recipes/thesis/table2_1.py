"""Daulbaev 2023, Table 2.1: seconds that 10,000 steps of learning a planar density take, by gradient method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    by_method,
    cells_of,
    learnt,
)


def _sixteen_is_faster(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether 16 nodes take less time than RDM on every data set where both were run."""
    verdicts = [
        seconds[16] < seconds[None]
        for seconds in by_method(rows, "seconds").values()
        if 16 in seconds and None in seconds
    ]
    return all(verdicts) if verdicts else None


TABLE = Table(
    title="Seconds of 10,000 steps of learning planar densities",
    axes=("dataset", "method", "nodes"),
    columns=(
        Column(name="seconds", unit="s", better="lower"),
        Column(name="evaluations", better="lower"),
        Column(name="test_loss", unit="nats", better="lower"),
    ),
    presets={
        "smoke": (Grid(cells=cells_of(("moons",), (4,)), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=cells_of(DATASETS, (8, 16, 32)), options=QUICK),),
        "paper": (Grid(cells=cells_of(DATASETS, NODES), options=PUBLISHED),),
    },
    claims=(Claim(quote="the IRDM with N = 16 nodes always outperforms the RDM", holds=_sixteen_is_faster),),
)


def run_cell(cell: Cell[Learning], bench: Bench) -> Mapping[str, Any]:
    """One training."""
    return learnt(cell, bench)
