"""Daulbaev 2023, Figure 2.8: test loss of planar densities by seconds; the cells are those of Table 2.1."""

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

_CLEARLY = 0.02  # nats


def _few_nodes_are_worse(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether four nodes end with a clearly higher loss than RDM on pinwheel and 2spirals (panels a and d)."""
    losses = by_method(rows, "test_loss")
    pairs = [losses[name] for name in ("pinwheel", "2spirals") if name in losses]
    known = [found[4] > found[None] + _CLEARLY for found in pairs if 4 in found and None in found]
    return all(known) if known else None


TABLE = Table(
    title="Test loss of planar densities, IRDM and RDM",
    axes=("dataset", "method", "nodes"),
    columns=(
        Column(name="test_loss", unit="nats", better="lower"),
        Column(name="seconds", unit="s", better="lower"),
    ),
    presets={
        "smoke": (Grid(cells=cells_of(("moons",), (4,)), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=cells_of(("pinwheel", "2spirals"), (4, 16)), options=QUICK),),
        "paper": (Grid(cells=cells_of(DATASETS, NODES), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote="if the number of nodes is too small, e.g., N = 4, the IRDM converges to the higher test loss",
            holds=_few_nodes_are_worse,
        ),
    ),
)


def run_cell(cell: Cell[Learning], bench: Bench) -> Mapping[str, Any]:
    """One training."""
    return learnt(cell, bench)
