"""Stochastic gradient aggregation (SGA): many gradients of small batches, on a path of their own, for one update.

Liu et al. 2023 (ICCV), "Enhancing Generalization of Universal Adversarial Perturbation through Gradient Aggregation",
Algorithm 1. Within each large batch a copy of the perturbation takes a step for each of several small batches; the sum
of the gradients met there moves the perturbation. Small batches escape poor optima, the sum steadies the update.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.attack.ascent import Ascent, cut_off, unit
from corank.attack.checks import check_counts, check_factors, check_positive
from corank.attack.losses import Loss, cross_entropy
from corank.attack.search import Search
from corank.attack.universal import UniversalAttack
from corank.errors import InputError


@final
@dataclass(frozen=True, kw_only=True)
class StochasticAggregation(UniversalAttack):
    """See the module.

    Args:
        steps: updates of the perturbation.
        batch: samples of a large batch.
        small_batch: samples of a small one.
        step: size of the first update, in radii; it falls like a cosine to zero.
        inner_step: size of the steps within a large batch, in radii.
        momentum: factor of the earlier updates' sum, 0 for none (the paper).
        most_loss: of a sample, in nats.

    Raises:
        InputError: an option out of range, a small batch larger than the large one.

    Example:
        >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> net = torch.nn.Linear(3, 2, bias=False).eval()
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))
        >>> found = StochasticAggregation(radius=1.0, steps=20).attack(net, x, net(x).argmax(1))
        >>> found.train.fooled > 0.3
        True
    """

    steps: int = 60
    batch: int = 100
    small_batch: int = 10
    step: float = 0.1
    inner_step: float = 0.1
    momentum: float = 0.0
    most_loss: float = 9.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(steps=self.steps, batch=self.batch, small_batch=self.small_batch)
        check_positive(step=self.step, inner_step=self.inner_step, most_loss=self.most_loss)
        check_factors(momentum=self.momentum)
        if self.small_batch > self.batch:
            raise InputError(f"small_batch must be at most batch, {self.batch}, got {self.small_batch}")

    def run(self, search: Search) -> str:
        """Climb from the start."""
        loss = cut_off(cross_entropy, self.most_loss)
        ascent = Ascent(steps=self.steps, batch=self.batch, step=self.step, momentum=self.momentum, on_sphere=False)
        ascent.climb(search, search.start, lambda v, rows: self._aggregated(search, v, rows, loss))
        return f"all {self.steps} updates are done"

    def _aggregated(self, search: Search, v: Tensor, rows: Tensor, loss: Loss) -> Tensor:
        """The sum of the normalised gradients that a path over the small batches meets."""
        total, budget = torch.zeros_like(v), search.budget
        for few in torch.split(rows, self.small_batch):
            gradient = search.gradients(v, few, loss).mean(0)
            total += unit(gradient)
            v = budget.within(v[None] + self.inner_step * self.radius * budget.steepest(gradient[None]))[0]
        return total
