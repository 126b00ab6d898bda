"""Langenberg et al. 2019, Figure 7: the convolutional network's second filters, natural and adversarial."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table, every
from corank.experiment.recipes.low_rank_weights.defending import (
    ADVERSARIAL,
    CNN,
    CNN_PAPER,
    FGSM_TRAINED,
    LOW,
    METHODS,
    NATURAL,
    PGD_TRAINED,
    PICTURE,
    SMALL,
    Defending,
    lower,
    picture_row,
)

LAYER = 2

TABLE = Table(
    title="The convolutional network's second filters, natural and adversarial",
    axes=("method",),
    columns=PICTURE,
    presets={
        "smoke": (Grid(cells=every(method=[NATURAL, FGSM_TRAINED]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(method=METHODS), options=CNN),),
        "paper": (Grid(cells=every(method=METHODS), options=CNN_PAPER),),
    },
    claims=(
        Claim(
            quote="The weights after both FGSM and PGD adversarial training look more sparse and slightly lower-rank",
            holds=partial(lower, columns=LOW, ours=ADVERSARIAL, than={"method": NATURAL}),
        ),
        Claim(
            quote=(
                "the weights after PGD adversarial training look slightly lower-rank than after FGSM "
                "adversarial training"
            ),
            holds=partial(
                lower, columns=("effective_rank",), ours=every(method=[PGD_TRAINED]), than={"method": FGSM_TRAINED}
            ),
        ),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return picture_row(cell, bench, LAYER)
