"""The smallest perturbations after which 99 of 100 images are misclassified (Sanyal et al. 2020, sec. 3.1 and D.3).

Tables 3 and 10 show the same attacks, the one the relative length `rho` of their perturbations, the other their budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from corank.attack.deepfool import DeepFool
from corank.attack.iterative_fgsm import IterativeFGSM
from corank.attack.least_likely import LeastLikely
from corank.attack.smallest_budget import smallest_budget
from corank.attack.stepped import SteppedAttack
from corank.attack.victim import Victim
from corank.experiment.bench import Bench, Teacher
from corank.experiment.recipe import Axes, Cell, Column, Grid, digest, every
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    MNIST,
    MODELS,
    PLAIN,
    RESNET18,
    SMALL,
    Comparing,
    images_of,
)
from corank.experiment.recipes.low_rank_representations.under_descent import BLACK, WHITE

LARGEST = 0.5  # budget that is tried
CLOSE = 1 / 512  # how closely budgets are known
REACH = 128  # pixel values that an iterative attack can go
LONGEST = 2.0**10  # times a black-box perturbation is stretched at most
RHO_DEEPFOOL, RHO_LEAST_LIKELY, RHO_FGSM = (
    Column(name=f"rho_{name}", better="higher") for name in ("deepfool", "least_likely", "iterative_fgsm")
)
EPSILON_LEAST_LIKELY, EPSILON_FGSM = (
    Column(name=f"epsilon_{name}", better="higher") for name in ("least_likely", "iterative_fgsm")
)
AXES = ("access", "model")
_CELLS: tuple[Axes, ...] = (*every(access=[WHITE], model=MODELS), *every(access=[BLACK], model=DEFENDED))
PRESETS = {
    "smoke": (Grid(cells=_CELLS, options=SMALL, stands_in=True),),
    "quick": (Grid(cells=_CELLS, options=MNIST, stands_in=True),),
    "paper": (Grid(cells=_CELLS, options=RESNET18),),
}
ITERATIVE: Mapping[str, Callable[..., SteppedAttack]] = {"least_likely": LeastLikely, "iterative_fgsm": IterativeFGSM}


def minimal_row(cell: Cell[Comparing], bench: Bench) -> dict[str, Any]:
    """All columns above; None where even the largest budget does not make 99 of 100 images fail."""
    options, access, model = cell.options, str(cell.axes["access"]), str(cell.axes["model"])
    key = f"low_rank_representations/minimal/{digest([asdict(options), access, model])}/seed-{cell.seed}"
    return dict(bench.store.once(key, lambda: _minimal(options, access, model, cell.seed, bench)))


def times_the_plain(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[float]:
    """The numbers of the models with low-rank layers over the plain one's, white box."""
    white = {row["model"]: row for row in rows if row["access"] == WHITE}
    if PLAIN not in white:
        return []
    pairs = [(white[model][name], white[PLAIN][name]) for model in DEFENDED if model in white for name in columns]
    return [ours / theirs for ours, theirs in pairs if ours is not None and theirs]


def _minimal(options: Comparing, access: str, model: str, seed: int, bench: Bench) -> dict[str, Any]:
    judged = options.trained(model, bench)
    source = options.trained(PLAIN, bench) if access == BLACK else None
    x, y = images_of(judged)
    found: dict[str, Any] = {RHO_DEEPFOOL.name: _rho_of_deepfool(options, judged, source, x, y, seed)}
    for name, attack in ITERATIVE.items():
        bench.report(f"{model}, {access}: the smallest budget of {name.replace('_', ' ')}")
        iterative = attack(
            radius=LARGEST, steps=REACH // options.stride, step_size=options.stride / 255, stop=source is None,
            seed=seed,
        )  # fmt: skip  # what only just fools the network it is made on seldom fools another
        least = smallest_budget(
            iterative, judged.network, x, y, rate=options.rate, most=LARGEST, tolerance=CLOSE,
            bounds=judged.data.bounds, source=None if source is None else source.network,
        )  # fmt: skip
        found[f"epsilon_{name}"] = least.radius
        found[f"rho_{name}"] = None if least.radius is None else least.rho
        found[f"reached_{name}"] = least.reached
    return found


def _rho_of_deepfool(
    options: Comparing, judged: Teacher, source: Teacher | None, x: Tensor, y: Tensor, seed: int
) -> float | None:
    """White box the mean of its shortest perturbations; black box all are stretched alike until they are enough."""
    made = DeepFool(seed=seed).attack((source or judged).network, x, y, bounds=judged.data.bounds)
    if source is None:
        return made.rho
    victim, moved = Victim(judged.network, judged.data.bounds), made.inputs - x

    def rate(factor: float) -> float:
        return float((victim.classes(victim.clipped(x + factor * moved)) != y).double().mean())

    factor = stretched(rate, options.rate)
    if factor is None:
        return None
    lengths = (victim.clipped(x + factor * moved) - x).flatten(1).double().norm(dim=1)
    return float((lengths / x.flatten(1).double().norm(dim=1)).mean())


def stretched(rate: Callable[[float], float], enough: float) -> float | None:
    """The smallest factor, to a hundredth of it, at which a rate that grows with it is enough; None if none does.

    Example:
        >>> round(stretched(lambda factor: min(1.0, factor / 4), 1.0), 1)
        4.0
    """
    high = 1.0
    while rate(high) < enough:
        high *= 2
        if high > LONGEST:
            return None
    low = high / 2
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if rate(middle) >= enough else (middle, high)
    return high
