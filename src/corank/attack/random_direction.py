"""Random directions: what a perturbation of this length does that knows nothing of the network.

Each is a Gaussian vector, or random signs for an linf budget, scaled to the radius; several draws can compete on the
training samples. Every method has to beat it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch

from corank.attack.checks import check_counts
from corank.attack.search import Search
from corank.attack.universal import UniversalAttack


@final
@dataclass(frozen=True, kw_only=True)
class RandomDirection(UniversalAttack):
    """See the module.

    Args:
        draws: directions that compete.

    Raises:
        InputError: an option out of range.

    Example:
        >>> net = torch.nn.Linear(3, 2).eval()
        >>> found = RandomDirection(radius=1.0).attack(net, torch.randn(50, 3), torch.zeros(50, dtype=torch.long))
        >>> found.gradients
        0
    """

    draws: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(draws=self.draws)

    def run(self, search: Search) -> str:
        """Draw, and try."""
        for _ in range(self.draws):
            drawn = torch.randn(search.x[0].shape, generator=search.generator, dtype=torch.float64).to(search.x)
            search.tried(search.budget.at_radius(search.budget.steepest(drawn[None]))[0])
        return f"{self.draws} drawn"
