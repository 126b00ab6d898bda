"""Cui et al. 2020, Figure 6: universal perturbations of a small network on Fashion-MNIST over their norm.

The figure shows curves; here are their points, and whether what the text says of them is so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table
from corank.experiment.recipes.asnet.attacking import (
    BUDGET_AXES,
    BUDGET_SMOKE,
    CLASSES,
    COLUMNS,
    FASHION,
    ONE,
    QUICK_MNIST,
    RADIUS,
    TEST,
    Attacking,
    attack_row,
    budget_cells,
    is_ahead,
)

AROUND = 5.0  # points that are called around


def _thirty_more(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether AS has around 30 points more than UAP, or more still, and is ten times faster, in every cell."""
    return is_ahead(rows, points=30.0 - AROUND, faster=10.0)


def _around_all_and_three_quarters(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether AS fools around 100 % of the test images of one class, and around 75 % of all, at the largest norm."""
    found = {
        classes: [
            row[TEST.name]
            for row in rows
            if (row["classes"], row["method"], row["radius"]) == (classes, "AS", RADIUS)
        ]
        for classes in CLASSES
    }  # fmt: skip
    if not all(found.values()):
        return None
    return abs(fmean(found[ONE]) - 100) <= AROUND and abs(fmean(found[10]) - 75) <= AROUND


TABLE = Table(
    title="Universal perturbations of a network with four layers on Fashion-MNIST over their norm",
    axes=BUDGET_AXES,
    columns=COLUMNS,
    presets={
        "smoke": BUDGET_SMOKE,
        "quick": (Grid(cells=budget_cells(), options=QUICK_MNIST, stands_in=True),),
        "paper": (Grid(cells=budget_cells(), options=FASHION),),
    },
    claims=(
        Claim(
            quote="For all perturbation norms, the active-subspace method can achieve around 30% higher attack ratio "
            "than UAP while more than 10 times faster",
            holds=_thirty_more,
        ),
        Claim(
            quote="the attack ratio for the first class and the whole dataset are around 100% and 75%, respectively",
            holds=_around_all_and_three_quarters,
        ),
    ),
)


def run_cell(cell: Cell[Attacking], bench: Bench) -> Mapping[str, Any]:
    """One method at one norm, on one class or on all."""
    return attack_row(cell, bench)
