"""Daulbaev 2023, Table 4.4: robust accuracy in black-box attacks by the solver of the training, CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.thesis.black_box import (
    ATTACKS,
    SOURCES,
    WONG,
    BlackBox,
    robust_columns,
    robust_row,
)
from corank.experiment.recipes.thesis.meta import PUBLISHED, QUICK, SMALL, meta_trained

RADII = (8, 16)
SOLVERS = ("euler", "rk2")


def _second_order_is_better(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether networks trained with RK2 are above those trained with Euler's method, on average over what both met."""
    found = {solver: [row for row in rows if row["solver"] == solver] for solver in SOLVERS}
    if not rows or len({len(own) for own in found.values()}) > 1:
        return None
    euler, rk2 = (fmean(row[f"robust_{radius}"] for row in found[solver] for radius in RADII) for solver in SOLVERS)
    return rk2 > euler


TABLE = Table(
    title="Robust accuracy in black-box attacks by the solver of the training, radii in 255ths",
    axes=("source", "attack", "solver"),
    columns=robust_columns(RADII),
    presets={
        "smoke": (
            Grid(
                cells=every(source=[WONG], attack=["pgd"], solver=["euler"]),
                options=BlackBox(**SMALL, source_network="vgg_digits"),
                stands_in=True,
            ),
        ),
        "quick": (
            Grid(
                cells=every(source=[WONG], attack=ATTACKS, solver=SOLVERS),
                options=BlackBox(**QUICK, source_network="preresnet20"),
                stands_in=True,
            ),
        ),
        "paper": (Grid(cells=every(source=[*SOURCES], attack=ATTACKS, solver=SOLVERS), options=BlackBox(**PUBLISHED)),),
    },
    claims=(
        Claim(
            quote=(
                "the usage of 2-nd order Runge-Kutta solver during training yields models with better resistance to "
                "black-box attacks than the usage of Euler solver"
            ),
            holds=_second_order_is_better,
        ),
    ),
)


def run_cell(cell: Cell[BlackBox], bench: Bench) -> Mapping[str, Any]:
    """One solver of the training under one attack of one source."""
    made = meta_trained(cell.options, bench, cell.seed, solver=str(cell.axes["solver"]))
    return robust_row(made, cell, bench, RADII)
