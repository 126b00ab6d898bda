"""Ascent with momentum on minibatches: what the stochastic universal attacks share.

Each step goes along the steepest direction of the norm for a running sum of normalised gradients; its size falls like a
cosine to zero. The loss of a sample that is fooled by enough is cut off, or a few samples would draw everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from corank.attack.losses import Loss, margin
from corank.attack.search import Search

Gradient = Callable[[Tensor, Tensor], Tensor]
"""From a perturbation and the numbers of some samples to the direction in which their mean loss grows."""


def cut_off(loss: Loss, most: float) -> Loss:
    """The loss, constant above a number."""
    return lambda logits, classes: loss(logits, classes).clamp(max=most)


@dataclass(frozen=True)
class SmoothShare:
    """The share of fooled samples, smoothed: a sigmoid of the margin by which each is where it shall be.

    Samples near the boundary count most, and those that are fooled already or far from it hardly. The width of the
    sigmoid is a share of how surely the network classifies, so it does not matter how large its logits are.

    Args:
        search: of the samples.
        width: of the sigmoid, in median margins of the samples as they are.
    """

    search: Search
    width: float

    def __call__(self, logits: Tensor, classes: Tensor) -> Tensor:
        """The loss of each sample, `(m,)`."""
        return torch.sigmoid(margin(logits, classes) / self._unit)

    def score(self, margins: Tensor) -> float:
        """Of a perturbation under which samples have such margins, `(m,)`."""
        return float(torch.sigmoid(margins / self._unit).mean())

    @property
    def _unit(self) -> Tensor:
        surest = -margin(self.search.logits, self.search.clean).median()
        return (self.width * surest).clamp(min=torch.finfo(surest.dtype).tiny)


def mean_gradient(search: Search, loss: Loss, target: int | None = None, shift: int = 0) -> Gradient:
    """The plain mean over the samples; see `Search.gradients`."""
    return lambda v, rows: search.gradients(v, rows, loss, target, shift).mean(0)


def unit(gradient: Tensor) -> Tensor:
    """A gradient of Euclidean length one; zeros stay zeros."""
    length = gradient.norm()
    return gradient / length if bool(length > 0) else gradient


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """How to climb.

    Args:
        steps: of the ascent.
        batch: samples of a step.
        step: size of the first, in radii; it falls like a cosine to zero.
        momentum: factor of the earlier gradients' sum, 0 for none.
        on_sphere: whether each step ends at the radius, or only within it.
        every: steps after which what is met is tried, besides the end; None for once a pass over the samples.
    """

    steps: int
    batch: int
    step: float
    momentum: float
    on_sphere: bool
    every: int | None = None

    def climb(self, search: Search, v: Tensor, gradient: Gradient) -> tuple[Tensor, Tensor]:
        """Where the ascent from `v` ends, and by how much each sample then is where it shall be, `(m,)`."""
        budget, velocity, rows = search.budget, torch.zeros_like(v), search.batches(self.batch)
        a_pass = math.ceil(len(search.x) / self.batch)
        every = self.every or a_pass
        for number in range(self.steps):
            if number % a_pass == 0:
                rows = search.batches(self.batch)
            velocity = self.momentum * velocity + unit(gradient(v, next(rows)))
            size = self.step * budget.radius * 0.5 * (1 + math.cos(math.pi * number / self.steps))
            moved = v[None] + size * budget.steepest(velocity[None])
            v = (budget.at_radius(moved) if self.on_sphere else budget.within(moved))[0]
            if (number + 1) % every == 0 and number + 1 < self.steps:
                search.tried(v)
        return v, search.margins(v)
