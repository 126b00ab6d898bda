"""Cui et al. 2020, Figure 10: universal perturbations on CIFAR-100 over their norm.

The figure shows curves; here are their points, and whether what the text says of them is so. The preset quick shows
the same curves for a ResNet-20 on photographs of ten classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table
from corank.experiment.recipes.asnet.attacking import (
    BUDGET_AXES,
    BUDGET_SMOKE,
    CIFAR100,
    COLUMNS,
    ONE,
    QUICK_RADII,
    QUICK_RESNET20,
    TEST,
    Attacking,
    attack_row,
    beside,
    budget_cells,
)


def _above_both(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether AS fools more test images than UAP and than chance, in every cell."""
    compared = [list(beside(rows, TEST.name, other)) for other in ("UAP", "Random")]
    if not all(compared):
        return None
    return all(ours > theirs for pairs in compared for ours, theirs in pairs)


TABLE = Table(
    title="Universal perturbations on CIFAR-100 over their norm",
    axes=BUDGET_AXES,
    columns=COLUMNS,
    presets={
        "smoke": BUDGET_SMOKE,
        "quick": (Grid(cells=budget_cells(radii=QUICK_RADII), options=QUICK_RESNET20, stands_in=True),),
        "paper": (Grid(cells=budget_cells(classes=[ONE, 100]), options=CIFAR100),),
    },
    claims=(
        Claim(
            quote="active-subspace can achieve higher attack ratios than both UAP and Gaussian random vectors",
            holds=_above_both,
        ),
    ),
)


def run_cell(cell: Cell[Attacking], bench: Bench) -> Mapping[str, Any]:
    """One method at one norm, on one class or on all."""
    return attack_row(cell, bench)
