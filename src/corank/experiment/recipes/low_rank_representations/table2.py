"""Sanyal et al. 2020, Table 2: accuracy under projected gradient descent beside methods that restrict the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.low_rank_representations.models import (
    MNIST,
    ONE,
    PLAIN,
    PRUNED,
    RESNET50,
    SMALL,
    SPECTRAL,
    STABLE,
    Comparing,
    together,
)
from corank.experiment.recipes.low_rank_representations.under_descent import COLUMNS, attacked_row, is_above

BASELINES = (PRUNED, STABLE, SPECTRAL)
_CELLS = every(model=(PLAIN, *BASELINES, ONE))


def _better_than_all(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether 1-LR is above every baseline that is there, under every attack."""
    return together([is_above(rows, ONE, baseline) for baseline in BASELINES])


TABLE = Table(
    title="Accuracy under projected gradient descent, beside methods that restrict the weights",
    axes=("model",),
    columns=COLUMNS,
    presets={
        "smoke": (Grid(cells=every(model=[PRUNED]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=MNIST, stands_in=True),),
        "paper": (Grid(cells=_CELLS, options=RESNET50),),
    },
    claims=(Claim(quote="Our method performs much better than all three of these methods", holds=_better_than_all),),
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model, white box."""
    return attacked_row(cell, bench)
