"""Gao et al., Table 6: the angle along the path from a seven to the same without its upper left stroke, MNIST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.feature_compression.paths import ALPHAS, cosine_at
from corank.experiment.recipes.feature_compression.strokes import PUBLISHED, SMALL, Strokes, rows_of

SMALL_MEAN = 0.5  # |cos theta| that is called small: a quarter of the energy


def cells(experiments: Sequence[int]) -> tuple[Axes, ...]:
    """Every experiment at every point of its path, and its average, which names no point."""
    return (*every(experiment=experiments, alpha=ALPHAS), *every(experiment=experiments))


def generally_small(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the averages of all experiments are at most a half in size."""
    means = [abs(row["cos_theta"]) for row in rows if row.get("alpha") is None]
    return max(means) <= SMALL_MEAN if means else None


TABLE = Table(
    title="cos theta_t along the path from a seven to the same without its upper left stroke, MNIST",
    axes=("experiment", "alpha"),
    columns=(Column(name="cos_theta"),),
    presets={
        "smoke": (Grid(cells=cells([1, 2]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=cells([1, 2, 3, 4]), options=PUBLISHED),),
        "paper": (Grid(cells=cells([1, 2, 3, 4]), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote="These ratios are generally small, representing the adversarial fragility of trained NN classifiers.",
            holds=generally_small,
            is_main=True,
        ),
    ),
)


def run_cell(cell: Cell[Strokes], bench: Bench) -> Mapping[str, Any]:
    """The cosine at one point, or the average over all."""
    place = cell.axes["experiment"]
    assert isinstance(place, int)
    return {"cos_theta": cosine_at(rows_of(cell.options, bench, cell.seed)[place - 1], cell.axes.get("alpha"))}
