"""Gao et al., Table 4: the smallest perturbations of points at dimension 17, and the angle at the perturbed points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from corank.errors import InputError
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, digest, every
from corank.experiment.theory import TheoryTraining
from corank.experiment.theory.relu import ReluRun, opposite_points, perturbed, relu_run
from corank.train.randomness import derived_seed

INPUTS = ("b_1", "b_2")
ATTEMPTS = 8  # until a network is accurate
CLOSE = 0.05  # |cos theta_t| to delta / m


@dataclass(frozen=True, kw_only=True)
class Attacked(TheoryTraining):
    """Under which circumstances one network, of one hidden layer with ReLU, is trained and attacked.

    Attributes:
        dimension: of the points.
        points: of each kind that are perturbed.
    """

    dimension: int = 17
    points: int = 10


_QUICK = Attacked(epochs=5)
_SMOKE = Attacked(dimension=5, points=3, width=50, learning_rate=1e-2)


def _as_long_as_the_cosine(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    return all(abs(abs(row["cos_theta_t"]) - row["ratio"]) <= CLOSE for row in rows) if rows else None


TABLE = Table(
    title="Smallest perturbations of a network with ReLU and the angle where they end, d = 17",
    axes=("input",),
    columns=(Column(name="cos_theta_t"), Column(name="delta"), Column(name="magnitude"), Column(name="ratio")),
    presets={
        "smoke": (Grid(cells=every(input=INPUTS), options=_SMOKE, stands_in=True),),
        "quick": (Grid(cells=every(input=INPUTS), options=_QUICK),),
        "paper": (Grid(cells=every(input=INPUTS), options=Attacked()),),
    },
    claims=(
        Claim(
            quote=r"confirms our prediction that $|\cos(\theta_t)| \approx \delta/m$",
            holds=_as_long_as_the_cosine,
        ),
    ),
)


def run_cell(cell: Cell[Attacked], bench: Bench) -> Mapping[str, Any]:
    """The means over the points of one kind."""
    options = cell.options
    key = f"feature_compression/attacked/{digest(asdict(options))}/seed-{cell.seed}"
    found = bench.store.once(key, lambda: _attacked(options, bench, cell.seed))
    return dict(found[str(cell.axes["input"])])


def _attacked(options: Attacked, bench: Bench, seed: int) -> dict[str, Any]:
    run = _accurate(options, bench, seed)
    points = opposite_points(run.data, options.points, torch.Generator().manual_seed(seed))
    magnitude = float(run.data.feature.norm())
    found: dict[str, Any] = {}
    for name, some in zip(INPUTS, points, strict=True):
        result = perturbed(run, some)
        delta = float(result.lengths.mean())
        found[name] = {
            "cos_theta_t": float(result.cosines.mean()), "delta": delta, "magnitude": magnitude,
            "ratio": delta / magnitude, "phi": run.data.fraction,
        }  # fmt: skip
    return found


def _accurate(options: Attacked, bench: Bench, seed: int) -> ReluRun:
    """The first network with a training accuracy of 1."""
    for attempt in range(ATTEMPTS):
        bench.report(f"network {attempt + 1} at dimension {options.dimension}")
        run = relu_run(options.dimension, derived_seed(seed, "attacked", attempt), options)
        if run.accuracy == 1:
            return run
    raise InputError(f"none of {ATTEMPTS} networks at dimension {options.dimension} is accurate: try another seed")
