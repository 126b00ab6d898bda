"""Langenberg et al. 2019, Figure 1: the fully connected network's first weights, natural and adversarial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.low_rank_weights.defending import (
    ADVERSARIAL,
    FCNN,
    FCNN_PAPER,
    FGSM_TRAINED,
    LOW,
    METHODS,
    NATURAL,
    PICTURE,
    SMALL,
    Defending,
    lower,
    of,
    picture_row,
)

LAYER = 1


def _pattern_is_stronger(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether neighbouring weights agree more after both adversarial trainings than after the natural one."""
    natural, *ours = (of(rows, "pattern", method=method) for method in METHODS)
    return all(fmean(each) > fmean(natural) for each in ours) if natural and all(ours) else None


TABLE = Table(
    title="The fully connected network's first weights, natural and adversarial",
    axes=("method",),
    columns=PICTURE,
    presets={
        "smoke": (Grid(cells=every(method=[NATURAL, FGSM_TRAINED]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(method=METHODS), options=FCNN),),
        "paper": (Grid(cells=every(method=METHODS), options=FCNN_PAPER),),
    },
    claims=(
        Claim(
            quote="it clearly looks like lower-rank and more sparse after FGSM/PGD adversarial training",
            holds=partial(lower, columns=LOW, ours=ADVERSARIAL, than={"method": NATURAL}),
        ),
        Claim(quote="with strongly correlated pattern visible", holds=_pattern_is_stronger),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return picture_row(cell, bench, LAYER)
