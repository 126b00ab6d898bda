"""DeepFool: along linearisations to the nearest boundary between classes, until it is crossed.

Moosavi-Dezfooli et al. 2016, Algorithm 2, all inputs at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from corank.attack.batched_deepfool import batched_deepfool
from corank.attack.checks import check_counts, check_positive
from corank.attack.sample import ShortestAttack, Task


@final
@dataclass(frozen=True, kw_only=True)
class DeepFool(ShortestAttack):
    """See the module; with `halvings=0` it is the published algorithm.

    Args:
        candidates: other classes looked at, those of the largest logits in each step.
        steps: at most.
        overshoot: share by which perturbations are longer than what was found, so as to cross the boundary.

    Raises:
        InputError: a number that is not positive, an unknown norm.

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(2, 2, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> found = DeepFool(norm="linf").attack(network, torch.tensor([[0.75, 0.5]]), torch.tensor([0]))
        >>> round(float(found.distances[0]), 4)
        0.125
    """

    candidates: int = 9
    steps: int = 50
    overshoot: float = 0.02

    takes_targets: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(candidates=self.candidates, steps=self.steps)
        check_positive(overshoot=self.overshoot)

    def _found(self, task: Task) -> Tensor:
        return task.x + batched_deepfool(
            task.victim, task.x, task.labels, norm=self.norm, candidates=self.candidates, steps=self.steps,
            overshoot=self.overshoot,
        )  # fmt: skip
