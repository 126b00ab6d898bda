"""Langenberg et al. 2019, Table 2: the accuracy of the convolutional network after each training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Grid, Table
from corank.experiment.recipes.low_rank_weights.defending import (
    ACCURACY,
    CNN,
    CNN_PAPER,
    FGSM_TRAINED,
    NATURAL,
    PGD_TRAINED,
    SMALL,
    Defending,
    cnn_cells,
    fooling_row,
    of,
    small_cells,
)


def _slightly_lower(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether both adversarially trained networks are less accurate than the natural one, by less than ten points."""
    natural = of(rows, "accuracy", method=NATURAL)
    trained = [*of(rows, "accuracy", method=FGSM_TRAINED), *of(rows, "accuracy", method=PGD_TRAINED)]
    return all(0 < fmean(natural) - one < 0.1 for one in trained) if natural and trained else None


TABLE = Table(
    title="Test accuracy of the convolutional network",
    axes=("method", "l1", "nuclear"),
    columns=(ACCURACY,),
    presets={
        "smoke": (Grid(cells=small_cells(), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=cnn_cells(), options=CNN, stands_in=True),),
        "paper": (Grid(cells=cnn_cells(), options=CNN_PAPER),),
    },
    claims=(
        Claim(
            quote="we observe slightly lower test accuracies for the adversarially trained models",
            holds=_slightly_lower,
        ),
    ),
)


def run_cell(cell: Cell[Defending], bench: Bench) -> Mapping[str, Any]:
    """One network."""
    return fooling_row(cell, bench)
