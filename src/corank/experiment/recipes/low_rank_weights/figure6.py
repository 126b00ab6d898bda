"""Langenberg et al. 2019, Figure 6: the convolutional network's first filters, natural and adversarial."""

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
    METHODS,
    NATURAL,
    PICTURE,
    SMALL,
    Defending,
    lower,
    picture_row,
)

LAYER = 1

TABLE = Table(
    title="The convolutional network's first filters, natural and adversarial",
    axes=("method",),
    columns=PICTURE,
    presets={
        "smoke": (Grid(cells=every(method=[NATURAL, FGSM_TRAINED]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(method=METHODS), options=CNN),),
        "paper": (Grid(cells=every(method=METHODS), options=CNN_PAPER),),
    },
    claims=(
        Claim(
            quote=(
                "FGSM/PGD adversarial training substantially decreases the effective sparsity of the first two "
                "convolutional filters"
            ),
            holds=partial(lower, columns=("effective_sparsity",), ours=ADVERSARIAL, than={"method": NATURAL}),
        ),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return picture_row(cell, bench, LAYER)
