"""Sanyal et al. 2020, Table 1: accuracy under projected gradient descent with and without low-rank layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    MNIST,
    MODELS,
    ONE,
    PLAIN,
    RESNET18,
    RESNET18_COARSE,
    RESNET50,
    RESNET50_COARSE,
    SMALL,
    Comparing,
)
from corank.experiment.recipes.low_rank_representations.under_descent import (
    BLACK,
    COLUMNS,
    WHITE,
    attacked_row,
    is_above,
)

DEEP_MODELS = (PLAIN, ONE)


def _grid(
    data: str, network: str, options: Comparing, models: Sequence[str] = MODELS, *, stands_in: bool = False
) -> Grid[Comparing]:
    defended = [model for model in models if model != PLAIN]
    cells = (
        *every(access=[WHITE], data=[data], network=[network], model=models),
        *every(access=[BLACK], data=[data], network=[network], model=defended),
    )
    return Grid(cells=cells, options=options, stands_in=stands_in)


def _all_settings(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether each model with low-rank layers is above the plain one, whoever's gradients are followed."""
    verdicts = [is_above(rows, model, PLAIN, access=access) for model in DEFENDED for access in (WHITE, BLACK)]
    known = [verdict for verdict in verdicts if verdict is not None]
    return all(known) if known else None


def _ten_times(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether 1-LR of ResNet-50 is at least nine times as accurate within 16/255 after 20 steps."""
    found = {
        row["model"]: row["radius_16_steps_20"]
        for row in rows
        if (row["access"], row["data"], row["network"]) == (WHITE, "C10", "R50")
    }
    return found[ONE] >= 9 * found[PLAIN] if {*DEEP_MODELS} <= {*found} else None


TABLE = Table(
    title="Accuracy under projected gradient descent, with and without low-rank layers",
    axes=("access", "data", "network", "model"),
    columns=COLUMNS,
    presets={
        "smoke": (_grid("digits", "vgg_digits", SMALL, stands_in=True),),
        "quick": (_grid("MNIST", "cnn4", MNIST, stands_in=True),),
        "paper": (
            _grid("C10", "R50", RESNET50, DEEP_MODELS),
            _grid("C10", "R18", RESNET18),
            _grid("C100", "R50", RESNET50_COARSE, DEEP_MODELS),
            _grid("C100", "R18", RESNET18_COARSE),
        ),
    },
    claims=(
        Claim(
            quote="our LR model performs much better than the N-LR model in all the settings including the black-box "
            "settings",
            holds=_all_settings,
            is_main=True,
        ),
        Claim(quote="LR is nearly **10 times more accurate** than N-LR", holds=_ten_times),
    ),
)


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model, white or black box."""
    return attacked_row(cell, bench)
