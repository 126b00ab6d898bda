"""Stochastic gradient ascent on a loss that is cut off, with momentum.

Shafahi et al. 2020, "Universal Adversarial Training": the cross entropy to the predicted class, at most `most_loss` for
each sample so that none dominates, is climbed on minibatches; the gradient is normalised for an l2 budget, its sign is
taken for linf, and each step is projected back. The momentum is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.attack.ascent import Ascent, cut_off, mean_gradient
from corank.attack.checks import check_counts, check_factors, check_positive
from corank.attack.losses import cross_entropy
from corank.attack.search import Search
from corank.attack.universal import UniversalAttack


@final
@dataclass(frozen=True, kw_only=True)
class StochasticGradient(UniversalAttack):
    """See the module.

    Args:
        steps: of the ascent.
        batch: samples of a step.
        step: size of the first, in radii; it falls like a cosine to zero.
        momentum: factor of the earlier gradients' sum, 0 for none.
        most_loss: of a sample, in nats.

    Raises:
        InputError: an option out of range.

    Example:
        >>> import torch
        >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> net = torch.nn.Linear(3, 2, bias=False).eval()
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))
        >>> found = StochasticGradient(radius=1.0, steps=20).attack(net, x, net(x).argmax(1))
        >>> found.train.fooled > 0.3
        True
    """

    steps: int = 200
    batch: int = 50
    step: float = 0.1
    momentum: float = 0.9
    most_loss: float = 9.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(steps=self.steps, batch=self.batch)
        check_positive(step=self.step, most_loss=self.most_loss)
        check_factors(momentum=self.momentum)

    def run(self, search: Search) -> str:
        """Climb from the start."""
        gradient = mean_gradient(search, cut_off(cross_entropy, self.most_loss))
        ascent = Ascent(steps=self.steps, batch=self.batch, step=self.step, momentum=self.momentum, on_sphere=False)
        ascent.climb(search, search.start, gradient)
        return f"all {self.steps} steps are done"
