"""Daulbaev 2023, Figure 3.1: accuracy of ODENet4 with stronger solvers than those of its training, on CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from corank.experiment.bench import EVALUATION_BATCH, Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.thesis.classifying import Classifying, trained
from corank.ode.smoothness import smoothness
from corank.zoo import Batches

STEPS = (2, 16, 32)
NORMS = ("layer", "weight", "batch", "none")
WORDS = {"smooth": 1, "not smooth": 0, "undecided": None}


@dataclass(frozen=True, kw_only=True)
class Stronger(Classifying):
    """Under which circumstances networks are trained and tried.

    Attributes:
        tolerance: the drop of accuracy that counts as none.
    """

    tolerance: float = 0.01


PUBLISHED = Stronger(network="odenet4", data="cifar10", epochs=350, batch_size=512, drops=(150 / 350, 300 / 350))
QUICK = replace(
    PUBLISHED, data="mnist", epochs=1, batch_size=128, drops=None, channels=32, train_images=10_000,
    test_images=2_000,
)  # fmt: skip
SMALL = Stronger(network="odenet4", data="digits", epochs=1, channels=2, train_images=100, test_images=50)


def _more_steps_are_smoother(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether BN-LN is smooth when trained with 32 steps, and not with 2."""
    found = {row["steps"]: row["is_smooth"] for row in rows if row["field_norm"] == "layer"}
    if found.get(32) is None or found.get(2) is None:
        return None
    return bool(found[32]) and not found[2]


TABLE = Table(
    title="Accuracy of ODENet4 with stronger solvers than in its training",
    axes=("steps", "field_norm"),
    columns=(
        Column(name="accuracy", better="higher"),
        Column(name="worst_accuracy", better="higher"),
        Column(name="is_smooth"),
    ),
    presets={
        "smoke": (Grid(cells=every(steps=[2], field_norm=["layer"]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(steps=(2, 32), field_norm=("layer", "weight")), options=QUICK, stands_in=True),),
        "paper": (Grid(cells=every(steps=STEPS, field_norm=NORMS), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote="(Euler, 32) BN-LN trains a smooth dynamics, while (Euler, 2) BN-LN fails to do that",
            holds=_more_steps_are_smoother,
        ),
    ),
)


def run_cell(cell: Cell[Stronger], bench: Bench) -> Mapping[str, Any]:
    """One network: its accuracy, the worst one with a stronger solver, and the criterion's verdict."""
    steps = cell.axes["steps"]
    built = {"field_norm": cell.axes["field_norm"], "solver": "euler", "steps": steps, "gradient": "checkpoint"}
    made = trained(cell.options, built, bench, cell.seed)
    batches = Batches(made.data.test, EVALUATION_BATCH)
    found = smoothness(made.network, batches, tolerance=cell.options.tolerance)
    verdict = WORDS[found.verdict]
    return {
        "accuracy": found.trained.accuracy,
        "worst_accuracy": found.worst.accuracy,
        "is_smooth": 0.5 if verdict is None else verdict,
        "verdict": found.verdict,
        "rows": found.to_dict()["stronger"],
    }
