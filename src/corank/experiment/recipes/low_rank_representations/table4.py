"""Sanyal et al. 2020, Table 4: accuracy where pixels are noisy at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.attack.noise import PROBABILITIES, noise_stability
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    MNIST,
    MODELS,
    ONE,
    PLAIN,
    RESNET18,
    RESNET50,
    SMALL,
    Comparing,
    images_of,
)

NOISY = tuple(Column(name=f"noisy_{10 * p:.0f}_of_10", unit="%", better="higher") for p in PROBABILITIES)


def _more_stable(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether every model with low-rank layers is more accurate than the plain one, at every probability."""
    pairs = [
        (row[column.name], plain[column.name])
        for row in rows
        for plain in rows
        for column in NOISY
        if row["model"] in DEFENDED and (plain["network"], plain["model"]) == (row["network"], PLAIN)
    ]
    return all(ours > theirs for ours, theirs in pairs) if pairs else None


def _grid(network: str, options: Comparing, models: Sequence[str] = MODELS, stands_in: bool = False) -> Grid[Comparing]:
    return Grid(cells=every(network=[network], model=models), options=options, stands_in=stands_in)


TABLE = Table(
    title="Accuracy where pixels are noisy at random",
    axes=("network", "model"),
    columns=(*NOISY, Column(name="clean", unit="%", better="higher")),
    presets={
        "smoke": (_grid("vgg_digits", SMALL, stands_in=True),),
        "quick": (_grid("cnn4", MNIST, stands_in=True),),
        "paper": (_grid("R50", RESNET50, [PLAIN, ONE]), _grid("R18", RESNET18)),
    },
    claims=(
        Claim(quote="LR models are significantly more stable to Gaussian noise than N-LR", holds=_more_stable),
    ),
)  # fmt: skip


def run_cell(cell: Cell[Comparing], bench: Bench) -> Mapping[str, Any]:
    """One model under noise of each probability; noisy images are not clipped, of which the paper says nothing."""
    judged = cell.options.trained(str(cell.axes["model"]), bench)
    found = noise_stability(judged.network, *images_of(judged), seed=cell.seed)
    noisy = {column.name: 100 * one.accuracy for column, one in zip(NOISY, found.noisy, strict=True)}
    return {**noisy, "clean": 100 * found.accuracy}
