"""Sanyal et al. 2020, Table 5: accuracy of a linear classifier on few directions of a network's embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Grid, Table, every
from corank.experiment.recipes.low_rank_representations.embedded import (
    ACCURACY,
    MNIST_DEEP,
    MNIST_LAST,
    RESNET18_DEEP,
    SMALL_LAST,
    Embedding,
    embedded_row,
)
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    ONE,
    PLAIN,
    RESNET50_COARSE,
    TWO,
    exceeds,
    together,
)

_OF_50 = every(network=["R50"], model=[ONE, PLAIN], dimensions=[2048, 10, 5])
_OF_18 = every(network=["R18"], model=[TWO, PLAIN], dimensions=[16384, 20, 10])


def _small(network: str, models: Sequence[str], dimensions: Sequence[int]) -> tuple[Axes, ...]:
    return every(network=[network], model=models, dimensions=dimensions)


def _keeps_more(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the accuracy of models with low-rank layers falls less from all dimensions to the fewest."""
    verdicts = []
    for network in {row["network"] for row in rows}:
        own = [row for row in rows if row["network"] == network]
        sizes = [row["dimensions"] for row in own]
        lost = {}
        for model in {row["model"] for row in own}:
            found = {row["dimensions"]: row[ACCURACY.name] for row in own if row["model"] == model}
            if {min(sizes), max(sizes)} <= {*found} and min(sizes) < max(sizes):
                lost[model] = found[max(sizes)] - found[min(sizes)]
        verdicts += [lost[model] < lost[PLAIN] for model in DEFENDED if {model, PLAIN} <= {*lost}]
    return all(verdicts) if verdicts else None


def _replaces(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether on few dimensions models with low-rank layers are more accurate than the plain one."""
    few = [row for row in rows if row["dimensions"] <= 20]
    return together([exceeds(few, ACCURACY.name, model) for model in DEFENDED])


TABLE = Table(
    title="Accuracy of a linear classifier on few directions of the embedding",
    axes=("network", "model", "dimensions"),
    columns=(ACCURACY,),
    presets={
        "smoke": (Grid(cells=_small("vgg_digits", [ONE, PLAIN], [5]), options=SMALL_LAST, stands_in=True),),
        "quick": (
            Grid(
                cells=_small("cnn4, last", [ONE, PLAIN], [500, 10, 5, 2]), options=MNIST_LAST, stands_in=True
            ),
            Grid(
                cells=_small("cnn4, deep", [TWO, PLAIN], [800, 20, 10, 5]), options=MNIST_DEEP, stands_in=True
            ),
        ),
        "paper": (
            Grid(cells=_OF_50, options=Embedding(comparing=RESNET50_COARSE)),
            Grid(cells=_OF_18, options=RESNET18_DEEP),
        ),
    },
    claims=(
        Claim(
            quote="even with sharply decreasing embedding dimension, the hybrid model trained using the LR preserves "
            "the accuracy significantly more so than N-LR",
            holds=_keeps_more,
        ),
        Claim(
            quote="can be used for classification with a significantly higher accuracy than similar sized projections "
            "of embeddings from a model trained without our training modification (N-LR)",
            holds=_replaces,
        ),
    ),
)  # fmt: skip


def run_cell(cell: Cell[Embedding], bench: Bench) -> Mapping[str, Any]:
    """One hybrid model."""
    return embedded_row(cell, bench)
