"""Cui et al. 2020, Figure 5 (a) with sec. 5.1.2 (1): the singular values of the gradients of VGG-19, layers 4 to 7."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, Grid, Table, every
from corank.experiment.recipes.asnet.spectra import Measuring, spectrum

_PUBLISHED = Measuring(network="vgg19", data="cifar10", teacher_epochs=60, layers=(4, 5, 6, 7))
_QUICK = replace(_PUBLISHED, data="cifar10-jpeg", teacher_epochs=None, gradients=2_000)
_SMOKE = Measuring(
    network="vgg_digits", data="digits", teacher_epochs=1, gradients=256, directions=20, layers=(2, 3, 4)
)
_CELLS = every(layer=_PUBLISHED.layers)

TABLE = Table(
    title="Singular values of the gradients, VGG-19 on CIFAR-10",
    axes=("layer",),
    columns=(
        Column(name="features"),
        Column(name="active_neurons", better="lower"),
        Column(name="captured_heldout", unit="share", better="higher"),
    ),
    presets={
        "smoke": (Grid(cells=every(layer=[2, 4]), options=_SMOKE, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=_QUICK),),
        "paper": (Grid(cells=_CELLS, options=_PUBLISHED),),
    },
)


def run_cell(cell: Cell[Measuring], bench: Bench) -> Mapping[str, Any]:
    """The layer's leading singular values and how many neurons are active by them."""
    return spectrum(cell, bench)
