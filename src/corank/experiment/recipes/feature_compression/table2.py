"""Gao et al., Table 2: averages of cosines and predictions over the valid ones of fifty linear networks, d = 12."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table
from corank.experiment.recipes.feature_compression.linear import runs_of
from corank.experiment.recipes.feature_compression.table1 import SMALL, Experiments
from corank.experiment.theory.averages import averaged

CLOSE = 0.05  # a mean distance of |cos theta_1| from phi that is called close

COLUMNS = (
    Column(name="mean_abs_cos_theta_1"),
    Column(name="mean_phi"),
    Column(name="mean_gap", better="lower"),
    Column(name="runs_accurate"),
    Column(name="runs_valid"),
)


def _is_close(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    found = [row["mean_gap"] for row in rows if row["mean_gap"] is not None]
    return max(found) <= CLOSE if found else None


TABLE = Table(
    title="Averages of |cos theta_1|, of phi and of their distance over valid runs, d = 12",
    axes=(),
    columns=COLUMNS,
    presets={
        "smoke": (Grid(cells=({},), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=({},), options=Experiments()),),
        "paper": (Grid(cells=({},), options=Experiments()),),
    },
    claims=(Claim(quote="the actual result is close to our theoretical analysis", holds=_is_close, is_main=True),),
)


def run_cell(cell: Cell[Experiments], bench: Bench) -> Mapping[str, Any]:
    """The averages over valid runs, and those over all runs beside them."""
    return averaged(runs_of(cell, cell.options, cell.options.dimension, bench)).to_dict()
