"""Cui et al. 2020, Figure 8: universal perturbations of VGG-19 on CIFAR-10 over their norm.

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
    CIFAR10,
    CLASSES,
    COLUMNS,
    PRINTED_METHODS,
    QUICK_RADII,
    QUICK_VGG19,
    Attacking,
    attack_row,
    budget_cells,
    is_ahead,
)


def _ahead_in_both(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether, on average over the norms, AS has 20 points more than UAP and is three times faster, in both cases."""
    verdicts = [
        is_ahead([row for row in rows if row["classes"] == classes], points=20.0, faster=3.0, over=fmean)
        for classes in CLASSES
    ]
    return None if None in verdicts else all(verdicts)


TABLE = Table(
    title="Universal perturbations of VGG-19 on CIFAR-10 over their norm",
    axes=BUDGET_AXES,
    columns=COLUMNS,
    presets={
        "smoke": BUDGET_SMOKE,
        "quick": (Grid(cells=budget_cells(PRINTED_METHODS, QUICK_RADII), options=QUICK_VGG19),),
        "paper": (Grid(cells=budget_cells(), options=CIFAR10),),
    },
    claims=(
        Claim(
            quote="the proposed active-subspace attack can achieve 20% higher attack ratios while three times faster "
            "than UAP",
            holds=_ahead_in_both,
        ),
    ),
)


def run_cell(cell: Cell[Attacking], bench: Bench) -> Mapping[str, Any]:
    """One method at one norm, on one class or on all."""
    return attack_row(cell, bench)
