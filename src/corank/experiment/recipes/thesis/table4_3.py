"""Daulbaev 2023, Table 4.3: robust accuracy in grey-box attacks of networks trained with Meta ODE blocks, CIFAR-10.

Who attacks knows everything but the solver: perturbations are made on the network solved with one scheme RK2(u) and
tried on it solved with another. Solvers are fixed in both, so that no random one can hide gradients.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from torch import nn

from corank.attack import FGSM, PGD, DeepFool, SampleAttack
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.thesis.classifying import Classifying, FastPerturbation, accuracy_of, trained
from corank.ode import RK2
from corank.ode.block import blocks_of
from corank.ode.meta import Standalone
from corank.zoo.data import to_pixels

REGIMES = ("standalone", "switching", "smoothing", "ensembling")
SOLVERS = (0.5, 1.0)
_U = {"switching": (0.5, 1.0), "ensembling": (0.5, 1.0)}
PGD_STEP = 2 / 255


@dataclass(frozen=True, kw_only=True)
class Meta(Classifying):
    """Under which circumstances networks are trained and attacked.

    Attributes:
        radius: of perturbations, in training and in attacks.
        solver_steps: of RK2 in every block.
        pgd_steps: of 2/255 each.
        deepfool_steps: at most.
        attack_images: of the test split.
    """

    radius: float = 8 / 255
    solver_steps: int = 8
    pgd_steps: int = 7
    deepfool_steps: int = 50
    attack_images: int | None = field(default=None, metadata={"none": "all of the test split"})


PUBLISHED = Meta(network="ode_meta_preresnet", data="cifar10", epochs=36, batch_size=256)
QUICK = replace(
    PUBLISHED, data="cifar10-jpeg", epochs=3, batch_size=128, channels=8, train_images=2_000, test_images=1_000,
    attack_images=200, solver_steps=2,
)  # fmt: skip
SMALL = Meta(
    network="ode_meta_preresnet", data="digits", epochs=1, channels=2, train_images=60, test_images=30,
    attack_images=10, solver_steps=1, pgd_steps=2, deepfool_steps=2,
)  # fmt: skip


def _smoothing_or_ensembling_is_best(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether smoothing and ensembling are, on average, above standalone under FGSM and PGD."""
    means = {
        regime: [row[name] for row in rows if row["regime"] == regime for name in ("fgsm", "pgd")] for regime in REGIMES
    }
    if not (means["standalone"] and means["smoothing"] and means["ensembling"]):
        return None
    bar = fmean(means["standalone"])
    return fmean(means["smoothing"]) > bar and fmean(means["ensembling"]) > bar


TABLE = Table(
    title="Robust accuracy in grey-box attacks by the regime of the Meta ODE blocks, per cent",
    axes=("regime", "attack_u", "test_u"),
    columns=(
        Column(name="fgsm", unit="%", better="higher"),
        Column(name="pgd", unit="%", better="higher"),
        Column(name="deepfool", unit="%", better="higher"),
        Column(name="accuracy", unit="%", better="higher"),
    ),
    presets={
        "smoke": (
            Grid(cells=every(regime=["smoothing"], attack_u=[1.0], test_u=[0.5]), options=SMALL, stands_in=True),
        ),
        "quick": (Grid(cells=every(regime=REGIMES, attack_u=SOLVERS, test_u=[0.5]), options=QUICK),),
        "paper": (Grid(cells=every(regime=REGIMES, attack_u=SOLVERS, test_u=SOLVERS), options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote="smoothing and ensembling regimes lead to more robust models w.r.t FGSM and PGD attacks",
            holds=_smoothing_or_ensembling_is_best,
        ),
    ),
)


def run_cell(cell: Cell[Meta], bench: Bench) -> Mapping[str, Any]:
    """One regime, attacked with one solver and tried with another."""
    options, regime = cell.options, str(cell.axes["regime"])
    built: dict[str, Any] = {"solver": "rk2", "u": 0.5, "steps": options.solver_steps, "regime": regime}
    if regime in _U:
        built["switch_u"] = _U[regime]
    perturb = FastPerturbation(radius=options.radius)
    made = trained(
        options, {**built, "gradient": "backprop"}, bench, cell.seed, perturb=perturb, how=f"fast-{options.radius:.4f}"
    )
    test = made.data.test
    images, labels = to_pixels(test.images[: options.attack_images]), test.labels[: options.attack_images]
    tried, source = (_solved(made.network, cell.axes[name], options) for name in ("test_u", "attack_u"))
    attacks: dict[str, SampleAttack] = {
        "fgsm": FGSM(norm="linf", radius=options.radius),
        "pgd": PGD(norm="linf", radius=options.radius, steps=options.pgd_steps, step_size=PGD_STEP, seed=cell.seed),
        "deepfool": DeepFool(norm="linf", steps=options.deepfool_steps),
    }
    found = {
        name: attack.attack(tried, images, labels, bounds=made.data.bounds, source=source)
        for name, attack in attacks.items()
    }
    robust = {
        name: 100 * (examples.accuracy_within(options.radius) if name == "deepfool" else examples.accuracy)
        for name, examples in found.items()
    }
    return {**robust, "accuracy": 100 * accuracy_of(tried, made.data)}


def _solved(network: nn.Module, u: Any, options: Meta) -> nn.Module:
    """A copy of a network whose blocks are solved with RK2(u)."""
    copied = copy.deepcopy(network)
    for block in blocks_of(copied).values():
        block.regime = Standalone(solver=RK2(u=float(u), steps=options.solver_steps))
    return copied
