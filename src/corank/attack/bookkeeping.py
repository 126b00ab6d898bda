"""How accuracy falls from step to step of an attack that never stops (Sanyal et al. 2020, D.4).

An input that fooled the network after some step may be classified rightly again after the next. The instantaneous
accuracy asks only what each step left; the cumulative one remembers. Both are against the clean prediction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from corank.attack.budget import Norm, lengths_of
from corank.attack.checks import Bounds, check_samples
from corank.attack.descent import descent
from corank.attack.sample import at_work
from corank.attack.stepped import SteppedAttack
from corank.attack.victim import Victim
from corank.discover import name_of
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class Bookkeeping(Result):
    """The accuracy after each step, as the share of inputs that keep their clean prediction.

    Attributes:
        attack: whose steps they are.
        norm: of its budget.
        radius: of its budget.
        samples: how many inputs.
        instantaneous: after 0, 1, ... steps.
        cumulative: share that no step so far has taken away.
        rho: the mean Euclidean length of the perturbations after the last step over that of their inputs.
    """

    attack: str
    norm: Norm
    radius: float
    samples: int
    instantaneous: tuple[float, ...]
    cumulative: tuple[float, ...]
    rho: float

    def row(self) -> dict[str, Scalar]:
        """Both accuracies after the last step."""
        return {
            "attack": self.attack, "norm": self.norm, "radius": self.radius, "steps": len(self.cumulative) - 1,
            "instantaneous": self.instantaneous[-1], "cumulative": self.cumulative[-1], "rho": self.rho,
        }  # fmt: skip


def bookkeeping(
    attack: SteppedAttack, network: nn.Module, images: Tensor, *, bounds: Bounds | None = (0.0, 1.0)
) -> Bookkeeping:
    """Follow an attack through all its steps, of its first start alone.

    Args:
        attack: that goes by steps; whether it would stop at success makes no difference.
        network: any `nn.Module` that returns logits, in evaluation mode; it comes back bit for bit.
        images: `(m, ...)` inputs.
        bounds: within which inputs lie before and after; None where there are none.

    Raises:
        InputError: inputs that are not finite or not within the bounds, no sample, a network in training mode.

    Example:
        >>> from corank.attack import IterativeFGSM
        >>> network = nn.Linear(2, 2, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.eye(2))
        >>> attack = IterativeFGSM(radius=0.5, steps=3, step_size=0.1)
        >>> found = bookkeeping(attack, network, torch.tensor([[0.75, 0.5], [0.5, 0.95]]))
        >>> found.instantaneous
        (1.0, 1.0, 0.5, 0.0)
    """
    course = replace(attack.course, restarts=1, stop=False)
    with at_work({network}, attack.seed, images.device):
        check_samples(network, images, torch.zeros(len(images), dtype=torch.long, device=images.device), bounds)
        victim = Victim(network, bounds)
        clean = victim.classes(images)
        path = descent(victim, images, clean, attack.budget, course, torch.Generator().manual_seed(attack.seed))
    kept = ~path.fooled[0]
    kept[0] = True  # a random start is no step
    moved = lengths_of("l2", path.last.double() - images.double())
    return Bookkeeping(
        attack=name_of(type(attack)), norm=attack.norm, radius=attack.radius, samples=len(images),
        instantaneous=_shares(kept), cumulative=_shares(kept.cummin(0).values),
        rho=float((moved / lengths_of("l2", images.double()).clamp(min=1e-12)).mean()),
    )  # fmt: skip


def _shares(kept: Tensor) -> tuple[float, ...]:
    return tuple(kept.double().mean(1).tolist())
