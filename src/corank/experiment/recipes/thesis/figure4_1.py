"""Daulbaev 2023, Figure 4.1: robust accuracy of networks trained with the schemes RK2(u), by u, on MNIST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from corank.attack import PGD
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.thesis.classifying import Classifying, trained
from corank.zoo.data import to_pixels

PARAMETERS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
STEP = 2 / 255


@dataclass(frozen=True, kw_only=True)
class Attacked(Classifying):
    """Under which circumstances networks are trained and attacked.

    Attributes:
        radius: of the perturbations' largest entries.
        attack_steps: of projected gradient descent, of 2/255 each.
        attack_images: of the test split.
        solver_steps: of RK2(u) in the block.
    """

    radius: float = 0.3
    attack_steps: int = 7
    attack_images: int | None = field(default=None, metadata={"none": "all of the test split"})
    solver_steps: int = 8


PUBLISHED = Attacked(network="odenet4", data="mnist", epochs=5)
QUICK = replace(
    PUBLISHED, epochs=1, channels=16, train_images=10_000, test_images=2_000, attack_images=500, solver_steps=2
)
SMALL = Attacked(
    network="odenet4", data="digits", epochs=1, channels=2, train_images=100, test_images=50, attack_images=20,
    attack_steps=2, solver_steps=1,
)  # fmt: skip


def _robustness_differs_more(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether robust accuracies are spread more widely than standard ones."""
    if len(rows) < len(PARAMETERS) // 2:
        return None
    robust, standard = ([row[name] for row in rows] for name in ("robust_accuracy", "accuracy"))
    return bool(max(robust) - min(robust) > 2 * (max(standard) - min(standard)))


TABLE = Table(
    title="Robust accuracy by the parameter u of the solver in training, MNIST",
    axes=("u",),
    columns=(Column(name="accuracy", better="higher"), Column(name="robust_accuracy", better="higher")),
    presets={
        "smoke": (Grid(cells=every(u=[0.5]), options=SMALL, stands_in=True),),
        "quick": (Grid(cells=every(u=(0.2, 0.4, 0.5, 0.6, 0.8, 1.0)), options=QUICK),),
        "paper": (Grid(cells=every(u=PARAMETERS), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote=(
                "models trained with different solver parameterizations yield different robust accuracies while "
                "maintaining similar standard accuracy"
            ),
            holds=_robustness_differs_more,
        ),
    ),
)


def run_cell(cell: Cell[Attacked], bench: Bench) -> Mapping[str, Any]:
    """One network, attacked with the solver of its training."""
    options = cell.options
    built = {"solver": "rk2", "u": cell.axes["u"], "steps": options.solver_steps, "gradient": "backprop"}
    made = trained(options, built, bench, cell.seed)
    test = made.data.test
    images, labels = to_pixels(test.images[: options.attack_images]), test.labels[: options.attack_images]
    attack = PGD(
        norm="linf", radius=options.radius, steps=options.attack_steps, step_size=STEP, random_start=False,
        seed=cell.seed,
    )  # fmt: skip
    found = attack.attack(made.network, images, labels, bounds=made.data.bounds)
    return {"accuracy": made.accuracy, "robust_accuracy": found.accuracy}
