"""The recursive active subspace: step by step along the direction in which the loss of unfooled inputs varies most.

Cui et al. 2020, "Active Subspace of Neural Networks", Algorithm 4.1. The direction is the dominant eigenvector of the
covariance of the gradients, found from their Gram matrix, which is as large as the samples are many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from corank.attack.universal import Found, Search, UniversalAttack
from corank.attack.victim import cross_entropy
from corank.linalg.small_gram import leading_factors


@final
@dataclass(frozen=True, kw_only=True)
class RecursiveSubspace(UniversalAttack):
    """See the module.

    Args:
        on: where each step ends: "ball", the nearest point within the radius (the paper), or "sphere", scaled to it.
        step: the first step size, in radii.
        decrease: factor of the step size after one that fools no more.
        tries: step sizes that are tried.
        failures: steps without a success after which the search ends.
    """

    on: Literal["ball", "sphere"] = "sphere"
    step: float = 1.0
    decrease: float = 0.5
    tries: int = 8
    failures: int = 10

    def _found(self, search: Search) -> Found:
        v, share, failures, iterations = torch.zeros_like(search.x[0]), search.best_share, 0, 0
        fooled = search.is_fooled(search.clean)
        while failures <= self.failures and not bool(fooled.all()):
            iterations += 1
            rest = ~fooled
            gradients = search.victim.gradients(search.x[rest] + v, search.clean[rest], cross_entropy)
            _, vectors = leading_factors(gradients.flatten(1), 1)
            if len(vectors) == 0:
                break
            d = vectors[0].reshape(v.shape)
            sizes = [self.step * self.radius * self.decrease**i for i in range(self.tries)]
            for number, size in enumerate(sizes):
                pair = [self._moved(v + sign * size * d) for sign in (1, -1)]
                both = search.tried(*pair)
                shares = both.double().mean(1)
                at = int(shares.argmax())
                if float(shares[at]) > share:
                    break
            else:
                failures += 1
                at = 0
            v, fooled, share = pair[at], both[at], float(shares[at])
        return Found(vector=search.best, iterations=iterations, converged=True, message=f"{failures} failures")

    def _moved(self, v: Tensor) -> Tensor:
        both = self.budget.within(v[None]) if self.on == "ball" else self.budget.at_radius(v[None])
        return both[0]
