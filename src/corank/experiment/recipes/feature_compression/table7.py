"""Gao et al., Table 7: the angle along the path from a photograph to the nearest of another class, ImageNet.

Alpha is 1 at the photograph and 0 at the end of the path, as printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table
from corank.experiment.recipes.feature_compression.paths import cosine_at
from corank.experiment.recipes.feature_compression.photographs import (
    PUBLISHED,
    QUICK,
    SMALL,
    Photographs,
    rows_of,
)
from corank.experiment.recipes.feature_compression.table6 import cells, generally_small

TABLE = Table(
    title="cos theta along the path from a photograph to the nearest of another class",
    axes=("experiment", "alpha"),
    columns=(Column(name="cos_theta"),),
    presets={
        "smoke": (Grid(cells=cells([1, 2]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=cells([1, 2, 3, 4]), options=QUICK, stands_in=True),),
        "paper": (Grid(cells=cells([1, 2, 3, 4]), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote="These ratios are generally small, representing the adversarial fragility of trained NN classifiers "
            "on ImageNet.",
            holds=generally_small,
        ),
    ),
)


def run_cell(cell: Cell[Photographs], bench: Bench) -> Mapping[str, Any]:
    """The cosine at one point, or the average over all."""
    place = cell.axes["experiment"]
    assert isinstance(place, int)
    row = rows_of(cell.options, bench, cell.seed)[place - 1]
    return {"cos_theta": cosine_at(row, cell.axes.get("alpha"), from_end=True)}
