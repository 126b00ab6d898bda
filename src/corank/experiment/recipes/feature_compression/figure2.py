"""Gao et al., Figure 2: mean prediction and mean cosine by the dimension of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.feature_compression.linear import PUBLISHED, SMALL, Linear, runs_of
from corank.experiment.recipes.feature_compression.table2 import CLOSE, COLUMNS
from corank.experiment.theory.averages import averaged

DIMENSIONS = (7, 8, 9, 10, 12, 14, 15, 16, 17)


def _they_match(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the two means of every dimension lie within 0.05 of each other."""
    means = [(row["mean_phi"], row["mean_abs_cos_theta_1"]) for row in rows if row["mean_phi"] is not None]
    if len({row["dimension"] for row in rows if row["mean_phi"] is not None}) < len(DIMENSIONS):
        return None
    return all(abs(predicted - found) <= CLOSE for predicted, found in means)


TABLE = Table(
    title="Predicted and measured compression by dimension",
    axes=("dimension",),
    columns=COLUMNS,
    presets={
        "smoke": (Grid(cells=every(dimension=[4, 5]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(dimension=DIMENSIONS), options=replace(PUBLISHED, runs=20)),),
        "paper": (Grid(cells=every(dimension=DIMENSIONS), options=PUBLISHED),),
    },
    claims=(Claim(quote="They match really well.", holds=_they_match),),
)


def run_cell(cell: Cell[Linear], bench: Bench) -> Mapping[str, Any]:
    """The averages at one dimension."""
    dimension = cell.axes["dimension"]
    assert isinstance(dimension, int)
    return averaged(runs_of(cell, cell.options, dimension, bench)).to_dict()
