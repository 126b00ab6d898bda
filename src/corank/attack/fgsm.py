"""The fast gradient sign method: one step, as long as the budget allows (Goodfellow et al. 2015).

In linf it goes along the signs of the gradient, in l2 along the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from corank.attack.descent import Steps
from corank.attack.losses import LossName, loss_named
from corank.attack.sample import Task
from corank.attack.stepped import SteppedAttack


@final
@dataclass(frozen=True, kw_only=True)
class FGSM(SteppedAttack):
    """See the module.

    Args:
        loss: "cross-entropy", "margin" or "logits-ratio" (DLR).

    Raises:
        InputError: an unknown norm or loss, a radius that is not positive.

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(2, 2, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> found = FGSM(radius=0.25).attack(network, torch.tensor([[0.75, 0.5]]), torch.tensor([0]))
        >>> found.inputs, found.accuracy
        (tensor([[0.5000, 0.7500]]), 0.0)
    """

    loss: LossName = "cross-entropy"

    @property
    def course(self) -> Steps:
        """One step from the input itself."""
        return Steps(steps=1, step_size=self.radius, loss=loss_named(self.loss), random_start=False)

    def _perturbed(self, task: Task) -> Tensor:
        return self.path(task).last
