"""Gao et al., Table 3: the local compression rho of accurate networks with ReLU along a path between two classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

import torch

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, digest, every
from corank.experiment.theory import TheoryTraining
from corank.experiment.theory.relu import local_compression, relu_run
from corank.train.randomness import derived_seed

ALPHAS = (0.0, 0.111, 0.222, 0.333, 0.444, 0.556, 0.667, 0.778, 0.889, 1.0)
ATTEMPTS = 4  # networks trained for each that is wanted, at most
SIMILAR = 0.1  # in rho


@dataclass(frozen=True, kw_only=True)
class Relu(TheoryTraining):
    """Under which circumstances networks with ReLU are trained.

    Attributes:
        dimension: of the points.
        networks: with a training accuracy of 1 that are wanted, each with a matrix and a pair of points of its own.
    """

    dimension: int = 12
    networks: int = 50


_QUICK = Relu(networks=20)
_QUICK_DEEPER = Relu(networks=20, width=300)
_SMOKE = Relu(dimension=5, networks=2, width=50, learning_rate=1e-2)


def _similar_with_more_layers(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the mean over all alphas changes by at most 0.1 from one hidden layer to more."""
    layers: dict[bool, list[float]] = {}
    for row in rows:
        if row["mean"] is not None:
            layers.setdefault(row["hidden_layers"] > 1, []).append(row["mean"])
    return abs(fmean(layers[True]) - fmean(layers[False])) <= SIMILAR if len(layers) == 2 else None


TABLE = Table(
    title="Averages and medians of rho over accurate networks with ReLU, d = 12",
    axes=("hidden_layers", "alpha"),
    columns=(Column(name="mean"), Column(name="median"), Column(name="networks")),
    presets={
        "smoke": (Grid(cells=every(hidden_layers=[1, 2], alpha=[0.0, 1.0]), options=_SMOKE, stands_in=True),),
        "quick": (
            Grid(cells=every(hidden_layers=[1], alpha=ALPHAS), options=_QUICK),
            Grid(cells=every(hidden_layers=[2], alpha=ALPHAS), options=_QUICK_DEEPER),
        ),
        "paper": (Grid(cells=every(hidden_layers=[1, 2], alpha=ALPHAS), options=Relu()),),
    },
    claims=(
        Claim(
            quote="The ratios are similarly small if we train neural network classifiers with more layers.",
            holds=_similar_with_more_layers,
        ),
    ),
)


def run_cell(cell: Cell[Relu], bench: Bench) -> Mapping[str, Any]:
    """Mean and median at one place of the path."""
    options, layers = cell.options, cell.axes["hidden_layers"]
    assert isinstance(layers, int)
    key = f"feature_compression/relu/layers-{layers}-{digest(asdict(options))}/seed-{cell.seed}"
    found = bench.store.once(key, lambda: _trained(options, layers, bench, cell.seed))
    rhos = [rho[ALPHAS.index(cell.axes["alpha"])] for rho in found["rho"]]
    return {
        "mean": fmean(rhos) if rhos else None,
        "median": median(rhos) if rhos else None,
        "networks": len(rhos),
    }


def _trained(options: Relu, layers: int, bench: Bench, seed: int) -> dict[str, Any]:
    """Rho at every alpha, a row an accurate network."""
    rho: list[list[float]] = []
    attempts = 0
    while len(rho) < options.networks and attempts < ATTEMPTS * options.networks:
        bench.report(f"network {attempts + 1} with {layers} hidden layers; {len(rho)} of {options.networks} accurate")
        of_run = derived_seed(seed, "relu", layers, attempts)
        run = relu_run(options.dimension, of_run, options, layers)
        attempts += 1
        if run.accuracy == 1:
            rho.append(local_compression(run, ALPHAS, torch.Generator().manual_seed(of_run)).tolist())
    return {"rho": rho, "attempts": attempts}
