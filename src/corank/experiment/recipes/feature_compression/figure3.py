"""Gao et al., Figure 3: a seven and the artificial one made of it, MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, Grid, Table
from corank.experiment.recipes.feature_compression.strokes import PUBLISHED, SMALL, Strokes, rows_of

TABLE = Table(
    title="A seven of MNIST and what of it is blocked out to make a one",
    axes=(),
    columns=(
        Column(name="L"), Column(name="blocked_height", unit="pixels"), Column(name="blocked_width", unit="pixels"),
        Column(name="test_image"), Column(name="margin"), Column(name="margin_end"),
    ),
    presets={
        "smoke": (Grid(cells=({},), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=({},), options=PUBLISHED),),
        "paper": (Grid(cells=({},), options=PUBLISHED),),
    },
)  # fmt: skip


def run_cell(cell: Cell[Strokes], bench: Bench) -> Mapping[str, Any]:
    """The first experiment of Tables 5 and 6: which image, which rectangle, and g = f_7 - f_1 before and after."""
    return rows_of(cell.options, bench, cell.seed)[0]
