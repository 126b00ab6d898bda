"""The recursive active subspace: step by step along the direction in which the loss of unfooled inputs varies most.

Cui et al. 2020, "Active Subspace of Neural Networks", Algorithm 4.1. The direction is the dominant eigenvector of the
covariance of the gradients, found from their Gram matrix, which is as large as the samples are many; for an linf budget
steps go along its signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final, get_args

from torch import Tensor

from corank.attack.checks import check_counts, check_factors, check_positive
from corank.attack.losses import cross_entropy
from corank.attack.search import Search
from corank.attack.shares import share
from corank.attack.universal import UniversalAttack
from corank.errors import InputError
from corank.linalg.small_gram import leading_factors

On = Literal["ball", "sphere"]


@final
@dataclass(frozen=True, kw_only=True)
class RecursiveSubspace(UniversalAttack):
    """See the module.

    Args:
        on: where each step ends: "ball", the nearest point within the radius (the paper), or "sphere", scaled to it
            (Daulbaev 2023, better).
        step: the first step size, in radii.
        decrease: factor from one step size to the next.
        tries: step sizes that are tried.
        failures: steps without a success after which the search ends.
        steps: at most.

    Raises:
        InputError: an option out of range.

    Example:
        >>> import torch
        >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> net = torch.nn.Linear(3, 2, bias=False).eval()
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))
        >>> found = RecursiveSubspace(radius=1.0).attack(net, x, net(x).argmax(1))
        >>> found.train.fooled > 0.3
        True
    """

    on: On = "sphere"
    step: float = 1.0
    decrease: float = 0.5
    tries: int = 8
    failures: int = 10
    steps: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on not in get_args(On):
            raise InputError(f"on must be one of {', '.join(get_args(On))}, got {self.on!r}")
        check_positive(step=self.step)
        check_factors(decrease=self.decrease)
        if self.decrease == 0:
            raise InputError(f"decrease must be above 0, got {self.decrease}")
        check_counts(tries=self.tries, failures=self.failures, steps=self.steps)

    def run(self, search: Search) -> str:
        """Step by step from the start."""
        return self.went(search)[0]

    def went(self, search: Search) -> tuple[str, Tensor]:
        """Why it ended, and where."""
        v, failures = search.start, 0
        (fooled,) = search.tried(v)
        for _ in range(self.steps):
            if bool(fooled.all()):
                return "every sample is fooled", v
            direction = dominant_direction(search.gradients(v, ~fooled, cross_entropy))
            if direction is None:
                return "no unfooled sample has a gradient", v
            v, now = self._stepped(search, v, direction, share(fooled))
            failures += share(now) <= share(fooled)
            fooled = now
            if failures > self.failures:
                return f"{failures} steps without a success", v
        return f"all {self.steps} steps are done", v

    def _stepped(self, search: Search, v: Tensor, direction: Tensor, before: float) -> tuple[Tensor, Tensor]:
        """The first step, large ones first, that fools a larger share; if none does, the smallest one forward."""
        along = search.budget.steepest(direction[None])[0]
        for number in range(self.tries):
            move = self.step * self.radius * self.decrease**number * along
            pair = [self._projected(v + move), self._projected(v - move)]
            both = search.tried(*pair)
            better = int(both.double().mean(1).argmax())
            if share(both[better]) > before:
                return pair[better], both[better]
        return pair[0], both[0]

    def _projected(self, v: Tensor) -> Tensor:
        budget = self.budget
        return (budget.within(v[None]) if self.on == "ball" else budget.at_radius(v[None]))[0]


def dominant_direction(gradients: Tensor) -> Tensor | None:
    """The unit eigenvector of the largest eigenvalue of `sum_i g_i g_i^T`; None where all gradients vanish.

    Args:
        gradients: `(m, ...)`, one a row.

    Example:
        >>> import torch
        >>> dominant_direction(torch.tensor([[3.0, 0.0], [0.0, 1.0], [-2.0, 0.0]])).abs()
        tensor([1., 0.])
    """
    _, vectors = leading_factors(gradients.flatten(1), 1)
    return vectors[0].reshape(gradients.shape[1:]) if len(vectors) else None
