"""Cui et al. 2020, Figure 1 (a) and (b): active neurons and parameters of VGG-19, layer by layer.

The layers are its 16 convolutions, each with what follows it up to the next; the linear layer at the end is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.asnet.spectra import Measuring, spectrum
from corank.network import cost, cut
from corank.zoo import input_shape

_LAYERS = tuple(range(1, 17))
_PUBLISHED = Measuring(network="vgg19", data="cifar10", teacher_epochs=60, sketch_size=400, layers=_LAYERS)
_QUICK = replace(_PUBLISHED, data="cifar10-jpeg", teacher_epochs=None, gradients=1_000)
_SMOKE = Measuring(
    network="vgg_digits", data="digits", teacher_epochs=1, gradients=256, directions=20, layers=(1, 2, 3, 4, 5, 6)
)


def _late_layers_hold_most(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the last third of the layers has more than half of the parameters."""
    held = {row["layer"]: row["parameters"] for row in rows}
    if set(held) != set(_LAYERS):
        return None
    late = sum(held[layer] for layer in _LAYERS[-(len(_LAYERS) // 3) :])
    return bool(2 * late > sum(held.values()))


def _dozens_among_thousands(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether no layer of 10,000 neurons and more has more than 150 active ones."""
    wide = [row["active_neurons"] for row in rows if row["features"] >= 10_000]
    return max(wide) <= 150 if wide else None


TABLE = Table(
    title="Active neurons and parameters by layer, VGG-19 on CIFAR-10",
    axes=("layer",),
    columns=(
        Column(name="features"),
        Column(name="active_neurons", better="lower"),
        Column(name="parameters"),
    ),
    presets={
        "smoke": (Grid(cells=every(layer=[1, 6]), options=_SMOKE, stands_in=True),),
        "quick": (Grid(cells=every(layer=_LAYERS), options=_QUICK),),
        "paper": (Grid(cells=every(layer=_LAYERS), options=_PUBLISHED),),
    },
    claims=(
        Claim(
            quote="even though there are tens of thousands of neurons, only dozens of them are important",
            holds=_dozens_among_thousands,
            is_main=True,
        ),
        Claim(
            quote="most of the neural network parameters are distributed in the last few layers",
            holds=_late_layers_hold_most,
        ),
    ),
)


def run_cell(cell: Cell[Measuring], bench: Bench) -> Mapping[str, Any]:
    """Features, active neurons and parameters of one layer."""
    layer = cell.axes["layer"]
    assert isinstance(layer, int)
    before = _parameters(cell.options.network, layer - 1, bench) if layer > 1 else 0
    return {**spectrum(cell, bench), "parameters": _parameters(cell.options.network, layer, bench) - before}


def _parameters(network: str, layer: int, bench: Bench) -> int:
    """Of the network up to a layer."""
    shape = input_shape(network)
    return cost(cut(bench.untrained(network, 10), layer, torch.zeros(2, *shape)).pre, shape).parameters
