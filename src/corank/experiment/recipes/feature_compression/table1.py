"""Gao et al., Table 1: the angles of ten linear networks with a training accuracy of 1, at dimension 12."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.feature_compression.linear import Linear, runs_of

EXPERIMENTS = tuple(range(1, 11))
CLOSE = 0.9  # |cos theta_2| that the paper calls aligned


@dataclass(frozen=True, kw_only=True)
class Experiments(Linear):
    """Under which circumstances; the first accurate runs are the experiments.

    Attributes:
        dimension: of the points.
    """

    dimension: int = 12


SMALL = Experiments(dimension=5, runs=6, width=100, learning_rate=1e-2)


def _mostly_aligned(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether all but one of the ten, as there, have |cos theta_2| above 0.9."""
    found = [abs(row["cos_theta_2"]) for row in rows if row["cos_theta_2"] is not None]
    return sum(value > CLOSE for value in found) >= len(found) - 1 if len(found) >= len(EXPERIMENTS) else None


TABLE = Table(
    title="Cosines of angles of linear networks with training accuracy 1, d = 12",
    axes=("experiment",),
    columns=(Column(name="cos_theta_1"), Column(name="cos_theta_2"), Column(name="phi")),
    presets={
        "smoke": (Grid(cells=every(experiment=[1]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(experiment=EXPERIMENTS), options=Experiments()),),
        "paper": (Grid(cells=every(experiment=EXPERIMENTS), options=Experiments()),),
    },
    claims=(
        Claim(
            quote=r"$|\cos(\theta_2)|$ is very close to 1, matching the prediction of Theorem 6",
            holds=_mostly_aligned,
        ),
    ),
)


def run_cell(cell: Cell[Experiments], bench: Bench) -> Mapping[str, Any]:
    """One experiment; nothing where fewer runs were accurate."""
    runs = runs_of(cell, cell.options, cell.options.dimension, bench)
    place = cell.axes["experiment"]
    assert isinstance(place, int)
    accurate = [run for run in runs if run.is_accurate]
    run = accurate[place - 1] if place <= len(accurate) else None
    return {column.name: None if run is None else getattr(run, column.name) for column in TABLE.columns}
