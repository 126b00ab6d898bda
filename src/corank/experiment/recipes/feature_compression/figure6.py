"""Gao et al., Figure 6: |cos theta| at 100 points of the path of experiment 1 of Tables 7 and 8.

The figure shows a curve, no point of which is printed; `cosines` of a cell has all of them, from the photograph on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, Grid, Table
from corank.experiment.recipes.feature_compression.photographs import (
    PUBLISHED,
    QUICK,
    SMALL,
    Photographs,
    rows_of,
)

POINTS = 100

TABLE = Table(
    title="|cos theta| at 100 points of the path from a photograph to the nearest of another class",
    axes=(),
    columns=(Column(name="mean_abs_cos_theta"), Column(name="largest_abs_cos_theta"), Column(name="points")),
    presets={
        "smoke": (Grid(cells=({},), options=replace(SMALL, points=20), stands_in=True),),
        "quick": (Grid(cells=({},), options=replace(QUICK, points=POINTS, experiments=1), stands_in=True),),
        "paper": (Grid(cells=({},), options=replace(PUBLISHED, points=POINTS, experiments=1)),),
    },
)


def run_cell(cell: Cell[Photographs], bench: Bench) -> Mapping[str, Any]:
    """The whole curve, its mean and its largest value."""
    row = rows_of(cell.options, bench, cell.seed)[0]
    sizes = [abs(cosine) for cosine in row["cosines"]]
    return {
        **row, "mean_abs_cos_theta": sum(sizes) / len(sizes), "largest_abs_cos_theta": max(sizes),
        "points": len(sizes),
    }  # fmt: skip
