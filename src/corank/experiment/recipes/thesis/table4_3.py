"""Daulbaev 2023, Table 4.3: robust accuracy in grey-box attacks of networks trained with Meta ODE blocks, CIFAR-10.

Who attacks knows everything but the solver: perturbations are made on the network solved with one scheme RK2(u) and
tried on it solved with another. Solvers are fixed in both, so that no random one can hide gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from corank.attack import FGSM, PGD, DeepFool, SampleAttack
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, every
from corank.experiment.recipes.thesis.classifying import accuracy_of
from corank.experiment.recipes.thesis.meta import (
    PUBLISHED,
    QUICK,
    REGIMES,
    SMALL,
    Meta,
    attacked_samples,
    meta_trained,
    solved,
)

SOLVERS = (0.5, 1.0)
PGD_STEP = 2 / 255


@dataclass(frozen=True, kw_only=True)
class GreyBox(Meta):
    """Under which circumstances networks are trained and attacked."""

    pgd_steps: int = 7


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
            Grid(
                cells=every(regime=["smoothing"], attack_u=[1.0], test_u=[0.5]),
                options=GreyBox(**SMALL),
                stands_in=True,
            ),
        ),
        "quick": (Grid(cells=every(regime=REGIMES, attack_u=SOLVERS, test_u=[0.5]), options=GreyBox(**QUICK)),),
        "paper": (Grid(cells=every(regime=REGIMES, attack_u=SOLVERS, test_u=SOLVERS), options=GreyBox(**PUBLISHED)),),
    },
    claims=(
        Claim(
            quote="smoothing and ensembling regimes lead to more robust models w.r.t FGSM and PGD attacks",
            holds=_smoothing_or_ensembling_is_best,
        ),
    ),
)


def run_cell(cell: Cell[GreyBox], bench: Bench) -> Mapping[str, Any]:
    """One regime, attacked with one solver and tried with another."""
    options = cell.options
    made = meta_trained(options, bench, cell.seed, regime=str(cell.axes["regime"]))
    images, labels = attacked_samples(made, options)
    tried, source = (solved(made.network, cell.axes[name], options) for name in ("test_u", "attack_u"))
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
