"""What Tables 4.2 to 4.4 share: networks with Meta ODE blocks, trained adversarially in each regime."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from corank.experiment.bench import Bench
from corank.experiment.recipes.thesis.classifying import Classifying, FastPerturbation, Trained, trained
from corank.ode import RK2
from corank.ode.block import blocks_of
from corank.ode.meta import Standalone
from corank.zoo.data import to_pixels

REGIMES = ("standalone", "switching", "smoothing", "ensembling")
MIDPOINT = 0.5  # u of the scheme that all of them are trained with or around
_U = {"switching": (MIDPOINT, 1.0), "ensembling": (MIDPOINT, 1.0)}


@dataclass(frozen=True, kw_only=True)
class Meta(Classifying):
    """Under which circumstances networks are trained and attacked.

    Attributes:
        radius: of perturbations in the training.
        solver_steps: of the scheme in every block.
        pgd_steps: of projected gradient descent.
        deepfool_steps: at most.
        attack_images: of the test split.
    """

    radius: float = 8 / 255
    solver_steps: int = 8
    pgd_steps: int
    deepfool_steps: int = 50
    attack_images: int | None = field(default=None, metadata={"none": "all of the test split"})


PUBLISHED: Mapping[str, Any] = {
    "network": "ode_meta_preresnet", "data": "cifar10", "epochs": 36, "batch_size": 256,
}  # fmt: skip
QUICK: Mapping[str, Any] = {
    **PUBLISHED, "data": "cifar10-jpeg", "epochs": 3, "batch_size": 128, "channels": 8, "train_images": 2_000,
    "test_images": 1_000, "attack_images": 200, "solver_steps": 2,
}  # fmt: skip
SMALL: Mapping[str, Any] = {
    "network": "ode_meta_preresnet", "data": "digits", "epochs": 1, "channels": 2, "train_images": 60,
    "test_images": 30, "attack_images": 10, "solver_steps": 1, "pgd_steps": 2, "deepfool_steps": 2,
}  # fmt: skip


def meta_trained(options: Meta, bench: Bench, seed: int, *, regime: str = "standalone", solver: str = "rk2") -> Trained:
    """A network that was trained with a regime of its blocks, or with one solver."""
    built: dict[str, Any] = {"solver": solver, "steps": options.solver_steps, "regime": regime, "gradient": "backprop"}
    if solver == "rk2":
        built["u"] = MIDPOINT
    if regime in _U:
        built["switch_u"] = _U[regime]
    return fast_trained(options, built, bench, seed)


def fast_trained(options: Meta, built: Mapping[str, Any], bench: Bench, seed: int) -> Trained:
    """A network after fast adversarial training."""
    perturb = FastPerturbation(radius=options.radius)
    return trained(options, built, bench, seed, perturb=perturb, how=f"fast-{options.radius:.4f}")


def solved(network: nn.Module, u: Any, options: Meta) -> nn.Module:
    """A copy of a network whose blocks are solved with RK2(u), so that no random solver hides gradients."""
    copied = copy.deepcopy(network)
    for block in blocks_of(copied).values():
        block.regime = Standalone(solver=RK2(u=float(u), steps=options.solver_steps))
    return copied


def attacked_samples(made: Trained, options: Meta) -> tuple[Tensor, Tensor]:
    """The images that are attacked, between 0 and 1, and their labels."""
    test = made.data.test
    return to_pixels(test.images[: options.attack_images]), test.labels[: options.attack_images]
