"""Random search by painted squares, which asks for no gradients (Andriushchenko et al. 2020), by `pyautoattack`.

What it breaks and gradients do not is a sign that the network hides its gradients rather than withstands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.attack.checks import check_counts
from corank.attack.outside import StandIn, attacked_outside, autoattack_module, check_images
from corank.attack.sample import BoundedAttack, Task

NORMS = {"linf": "Linf", "l2": "L2"}
L2_TILES = 5  # of the first pattern in l2, along each side
TOGETHER = 250  # inputs that share the places of their squares


@final
@dataclass(frozen=True, kw_only=True)
class Square(BoundedAttack):
    """See the module. Needs the extra `autoattack`.

    Args:
        queries: asked of the network for each input, at most.
        restarts: of the whole search, for inputs that still resist.

    Raises:
        InputError: a number that is not positive, an unknown norm, the extra is missing.

    Example:
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 2)).eval()
        >>> x = torch.rand(4, 1, 6, 6)
        >>> found = Square(radius=0.5, queries=20).attack(network, x, network(x).argmax(1))
        >>> bool((found.lengths <= 0.5).all())
        True
    """

    queries: int = 5000
    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(queries=self.queries, restarts=self.restarts)

    def _perturbed(self, task: Task) -> Tensor:
        check_images(task, least=L2_TILES if self.norm == "l2" else 1)
        searching = autoattack_module("square").SquareAttack

        def attempt(network: StandIn, x: Tensor, classes: Tensor) -> Tensor:
            search = searching(
                network, norm=NORMS[self.norm], eps=self.radius / network.range, n_queries=self.queries,
                n_restarts=self.restarts, seed=self.seed, targeted=task.targets is not None, resc_schedule=False,
            )  # fmt: skip
            with torch.no_grad():
                found: Tensor = search.perturb(x, classes)
            return found

        return attacked_outside(task, attempt, dtype=torch.float32, chunk=TOGETHER)
