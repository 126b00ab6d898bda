"""The gradient-based norm-constrained method: in each step towards the class that can be pushed highest, linearly seen.

Balda, Behboodi & Mathar 2018. With `F_t = f_t - f_y`, the step is `radius / steps` long and goes along the steepest
direction of the `F_t` for which `F_t + radius / steps * |grad F_t|_q` is largest, where q is dual to the norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.attack.budget import dual_lengths
from corank.attack.checks import check_counts
from corank.attack.losses import difference
from corank.attack.sample import BoundedAttack, Task


@final
@dataclass(frozen=True, kw_only=True)
class GNM(BoundedAttack):
    """See the module.

    An input that fools the network is left where it is.

    Args:
        steps: how many, of equal length.

    Raises:
        InputError: a number that is not positive, an unknown norm.

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(2, 2, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> found = GNM(radius=0.25, steps=5).attack(network, torch.tensor([[0.75, 0.5]]), torch.tensor([0]))
        >>> found.inputs, found.accuracy
        (tensor([[0.6000, 0.6500]]), 0.0)
    """

    steps: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(steps=self.steps)

    def _perturbed(self, task: Task) -> Tensor:
        moved, rows = task.x.clone(), torch.arange(len(task.x), device=task.x.device)
        for _ in range(self.steps):
            logits, gradient = self._steepest(task, moved[rows], rows)
            now = logits.argmax(1)
            resists = now == task.labels[rows] if task.targets is None else now != task.targets[rows]
            rows, gradient = rows[resists], gradient[resists]
            step = self.radius / self.steps * self.budget.steepest(gradient)
            moved[rows] = task.victim.clipped(moved[rows] + step)
        return moved

    def _steepest(self, task: Task, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and for each input the gradient of the `F_t` that can be pushed highest, or of its target's."""
        own = task.labels[rows]
        if task.targets is not None:
            logits, _, gradient = task.victim.seen(x, torch.stack([task.targets[rows], own], 1), difference)
            return logits, gradient
        best, highest, logits = torch.zeros_like(x), x.new_full((len(x),), -torch.inf), x.new_empty(0)
        classes = task.victim.logits(x[:1]).shape[1]
        for one in range(classes):
            pairs = torch.stack([torch.full_like(own, one), own], 1)
            logits, ahead, gradient = task.victim.seen(x, pairs, difference)
            height = ahead + self.radius / self.steps * dual_lengths(self.norm, gradient)
            higher = (height > highest) & (own != one)
            best[higher], highest[higher] = gradient[higher], height[higher]
        return logits, best
