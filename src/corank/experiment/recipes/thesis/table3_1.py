"""Daulbaev 2023, Table 3.1: accuracy of ODENet10 on CIFAR-10 by the normalisation in the ODE blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.thesis.classifying import Classifying, trained

NORMS = ("batch", "weight", "spectral", "none", "layer")
PUBLISHED = Classifying(network="odenet10", data="cifar10", epochs=350, batch_size=512, drops=(150 / 350, 300 / 350))
QUICK = replace(
    PUBLISHED, data="cifar10-jpeg", epochs=5, batch_size=128, drops=None, channels=16, train_images=5_000,
    test_images=2_000,
)  # fmt: skip
SMALL = Classifying(network="odenet10", data="digits", epochs=1, channels=2, train_images=100, test_images=100)


def _batch_is_worst(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether batch normalisation is the worst of all, and layer or weight normalisation the best."""
    found = {row["field_norm"]: row["accuracy"] for row in rows}
    if set(found) != set(NORMS):
        return None
    return min(found, key=found.__getitem__) == "batch" and max(found, key=found.__getitem__) in ("layer", "weight")


TABLE = Table(
    title="Accuracy of ODENet10 by the normalisation in its ODE blocks, CIFAR-10",
    axes=("field_norm",),
    columns=(Column(name="accuracy", better="higher"),),
    presets={
        "smoke": (Grid(cells=every(field_norm=["batch", "layer"]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(field_norm=NORMS), options=QUICK),),
        "paper": (Grid(cells=every(field_norm=NORMS), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote=(
                "we recommend using layer normalizations or weight normalizations and to avoid batch normalizations "
                "for neural ODEs"
            ),
            holds=_batch_is_worst,
        ),
    ),
)


def run_cell(cell: Cell[Classifying], bench: Bench) -> Mapping[str, Any]:
    """One network, solved by Euler's method with 8 steps."""
    built = {"field_norm": cell.axes["field_norm"], "solver": "euler", "steps": 8, "gradient": "checkpoint"}
    return {"accuracy": trained(cell.options, built, bench, cell.seed).accuracy}
