"""The fast minimum-norm attack: steps uphill within a radius that shrinks where the network errs and grows where not.

Pintor et al. 2021, Algorithm 1. Ours differs in one thing: as long as nothing is found, the radius reaches beyond the
boundary that linearisation foresees, or the inputs of a linear network would stop on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.attack.budget import Budget, dual_lengths, lengths_of, within_radii
from corank.attack.checks import check_counts, check_factors, check_positive
from corank.attack.losses import margin, towards
from corank.attack.sample import ShortestAttack, Task

LAST_STEP = 0.01  # as a share of the first
LAST_SHRINKING = 0.001


@final
@dataclass(frozen=True, kw_only=True)
class FastMinimumNorm(ShortestAttack):
    """See the module.

    Args:
        steps: how many.
        step_size: Euclidean length of the first, as a share of the range within the bounds; they fall like a cosine to
            a hundredth of it.
        shrinking: share by which the radius changes in the first step; it falls to a thousandth.

    Raises:
        InputError: an option out of range, an unknown norm.

    Example:
        >>> network = torch.nn.Linear(2, 2, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.eye(2))
        >>> found = FastMinimumNorm(norm="linf").attack(network, torch.tensor([[0.75, 0.5]]), torch.tensor([0]))
        >>> round(float(found.distances[0]), 4)
        0.125
    """

    steps: int = 100
    step_size: float = 1.0
    shrinking: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(steps=self.steps)
        check_positive(step_size=self.step_size)
        check_factors(shrinking=self.shrinking)

    def _found(self, task: Task) -> Tensor:
        victim, x, euclidean = task.victim, task.x, Budget(norm="l2", radius=1.0)
        goal, loss = (task.labels, margin) if task.targets is None else (task.targets, towards(margin))
        low, high = victim.bounds or (0.0, 1.0)
        moved, best = x, x
        shortest = radii = x.new_full((len(x),), torch.inf)
        for step in range(self.steps):
            fading = (1 + math.cos(math.pi * step / self.steps)) / 2
            size = (high - low) * self.step_size * (LAST_STEP + (1 - LAST_STEP) * fading)
            change = LAST_SHRINKING + (self.shrinking - LAST_SHRINKING) * fading
            _, ahead, gradients = victim.seen(moved, goal, loss)
            gradients = victim.open_ways(moved, gradients)
            lengths, errs = lengths_of(self.norm, moved - x), ahead > 0
            closer = errs & (lengths < shortest)
            best = torch.where(closer.reshape(-1, *[1] * (x.ndim - 1)), moved, best)
            shortest = torch.where(closer, lengths, shortest)
            reach = lengths + ahead.abs() / dual_lengths(self.norm, gradients)
            grown = torch.where(shortest < torch.inf, radii, reach) * (1 + change)
            radii = torch.where(errs, torch.minimum(radii * (1 - change), shortest), grown)
            stepped = moved + size * euclidean.steepest(gradients)
            moved = victim.clipped(x + within_radii(self.norm, stepped - x, radii))
        return best
