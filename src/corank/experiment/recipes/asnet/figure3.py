"""Cui et al. 2020, Figure 3: how the first two active variables at layer 6 of VGG-19 are distributed.

The figure shows them as a cloud of points. Here each has the distance of its distribution from the normal one of the
same mean and deviation (Kolmogorov and Smirnov's), which is 0.34 for a fair coin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.asnet.spectra import Measuring, spectrum

CLOSE = 0.1  # a distance of distributions that is called close
_PUBLISHED = Measuring(network="vgg19", data="cifar10", teacher_epochs=60, layers=(6,))
_QUICK = replace(_PUBLISHED, data="cifar10-jpeg", teacher_epochs=None, gradients=2_000)
_SMOKE = Measuring(network="vgg_digits", data="digits", teacher_epochs=1, gradients=256, directions=20, layers=(4,))


def _close_to_normal(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether both variables are close to normal, with every seed."""
    return all(max(row["distance_1"], row["distance_2"]) < CLOSE for row in rows) if rows else None


TABLE = Table(
    title="Distribution of the first two active variables, VGG-19 on CIFAR-10",
    axes=("layer",),
    columns=(Column(name="distance_1", unit="share"), Column(name="distance_2", unit="share")),
    presets={
        "smoke": (Grid(cells=every(layer=[4]), options=_SMOKE, stands_in=True),),
        "quick": (Grid(cells=every(layer=[6]), options=_QUICK),),
        "paper": (Grid(cells=every(layer=[6]), options=_PUBLISHED),),
    },
    claims=(Claim(quote="is close to a Gaussian distribution", holds=_close_to_normal),),
)


def run_cell(cell: Cell[Measuring], bench: Bench) -> Mapping[str, Any]:
    """How far from normal the first two active variables of held-out samples are."""
    return spectrum(cell, bench)
