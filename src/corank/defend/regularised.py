"""Sparse weights of low rank: penalties on their absolute sum and their singular values, and on their product.

Langenberg et al. 2019, "On the effect of low-rank weights on adversarial robustness of neural networks", section 4,
eq. 5 to 8. As terms of the loss they shrink weights and leave few exactly zero; as proximal maps after every step they
make zeros and lower ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, final, get_args

from torch import nn
from torch.optim import Optimizer

from corank.defend.base import Bounds, Course, Defence, Plan
from corank.defend.joint_l1 import JointL1
from corank.errors import InputError
from corank.measure import Batches
from corank.train import L1, NuclearNorm, Penalty, ProximalSteps

Applied = Literal["penalty", "proximal"]


@final
@dataclass(frozen=True, kw_only=True)
class Regularised(Defence):
    """See the module.

    Args:
        l1: strength of the absolute sum, on the layers of `layer`; or several as in "conv1=0.01,conv2=0.05".
        nuclear: strength of the sum of singular values, likewise.
        joint: strength of the absolute sum of the product of all weights, for networks of linear layers alone.
        layer: names or globs of layers that a single strength is for.
        applied: "penalty", as a term of the loss, or "proximal", after every step; the joint one is always a term.
            Under momentum m a term acts `1 / (1 - m)` times as strongly as the map of the same strength.

    Raises:
        InputError: a strength that is negative or cannot be read, all of them zero, or an unknown way to apply them.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(64, 8)
        >>> defence = Regularised(l1=0.1, layer=("0",), applied="proximal")
        >>> network = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 2))
        >>> found = defence.defend(network, [(x, (x[:, 0] > 0).long())], Course(epochs=100))
        >>> bool((found.network[0].weight == 0).float().mean() > 0.5)
        True
    """

    l1: float | str = 0.0
    nuclear: float | str = 0.0
    joint: float = 0.0
    layer: tuple[str, ...] = ("*",)
    applied: Applied = "penalty"

    def __post_init__(self) -> None:
        if self.applied not in get_args(Applied):
            raise InputError(f"applied must be one of {', '.join(get_args(Applied))}, got {self.applied!r}")
        if not self.layer:
            raise InputError("layer must name at least one layer or glob, got none")
        if not JointL1(strength=self.joint).strength and not self.penalties:
            raise InputError("at least one of l1, nuclear and joint must be above 0, got none")

    @property
    def penalties(self) -> tuple[Penalty, ...]:
        """Those with a proximal map, one for each strength above 0."""
        l1 = [L1(strength=strength, layers=layers) for layers, strength in _strengths("l1", self.l1, self.layer)]
        nuclear = [
            NuclearNorm(strength=strength, layers=layers)
            for layers, strength in _strengths("nuclear", self.nuclear, self.layer)
        ]
        return tuple(one for one in (*l1, *nuclear) if one.strength > 0)

    def _plan(self, network: nn.Module, batches: Batches, course: Course, bounds: Bounds) -> Plan:
        penalties = self.penalties
        joint = (JointL1(strength=self.joint),) if self.joint > 0 else ()
        for penalty in (*penalties, *joint):
            penalty(network)  # refuses what it cannot be applied to
        if self.applied == "penalty":
            terms: tuple[Callable[[nn.Module], Any], ...] = (*penalties, *joint)
            return Plan(network=network, plain=lambda: network, course=course, penalties=terms)
        steps: Callable[[Any], Optimizer] = course.optimiser
        for penalty in penalties:
            steps = ProximalSteps(network=network, penalty=penalty, optimiser=steps)
        return Plan(
            network=network, plain=lambda: network, course=replace(course, optimiser=steps), penalties=joint
        )  # fmt: skip


def _strengths(name: str, given: float | str, layers: tuple[str, ...]) -> list[tuple[str, float]]:
    """Globs of layers with a strength each.

    Raises:
        InputError: a text that is not of the form "conv1=0.01,conv2=0.05", or a strength that is negative.
    """
    if not isinstance(given, str):
        return [(layer, _strength(name, given, given)) for layer in layers]
    found = []
    for part in given.split(","):
        layer, equals, number = part.partition("=")
        if not equals or not layer.strip():
            raise InputError(f"{name} must be a number, or as in conv1=0.01,conv2=0.05, got {given!r}")
        found.append((layer.strip(), _strength(name, number, given)))
    return found


def _strength(name: str, number: float | str, given: float | str) -> float:
    try:
        strength = float(number)
    except ValueError:
        raise InputError(f"{name} must be a number, or as in conv1=0.01,conv2=0.05, got {given!r}") from None
    if not 0 <= strength < float("inf"):
        raise InputError(f"{name} must be at least 0 and finite, got {given!r}")
    return strength
