"""Sanyal et al. 2020, Table 9: as Table 1, for ResNet-50 on the fine labels of CIFAR-100."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Grid, Table, every
from corank.experiment.recipes.low_rank_representations.models import MNIST, ONE, PLAIN, RESNET50_FINE, SMALL, Comparing
from corank.experiment.recipes.low_rank_representations.under_descent import (
    BLACK,
    CLEAN,
    COLUMNS,
    WHITE,
    attacked_row,
    is_above,
)

_CELLS: tuple[Axes, ...] = (*every(access=[WHITE], model=[PLAIN, ONE]), {"access": BLACK, "model": ONE})


def _best_of_both(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether 1-LR is more accurate under every attack, and without any."""
    clean = {row["model"]: row[CLEAN.name] for row in rows if row["access"] == WHITE}
    attacked = is_above(rows, ONE, PLAIN)
    return None if attacked is None else attacked and clean[ONE] > clean[PLAIN]


TABLE = Table(
    title="Accuracy under projected gradient descent on the fine labels of CIFAR-100",
    axes=("access", "model"),
    columns=COLUMNS,
    presets={
        "smoke": (Grid(cells=_CELLS, options=SMALL, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=MNIST, stands_in=True),),
        "paper": (Grid(cells=_CELLS, options=RESNET50_FINE),),
    },
    claims=(Claim(quote="but also the best natural test accuracies", holds=_best_of_both),),
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model, white or black box."""
    return attacked_row(cell, bench)
