"""Several signed gradient steps from the input itself (Kurakin et al. 2017; Sanyal et al. 2020, eq. 5: Iter-FSGM).

Without chance, and the steps are as long as one is told, however many there are: 1/255 for images from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from corank.attack.descent import Steps
from corank.attack.sample import Task
from corank.attack.stepped import SteppedAttack

PIXEL = 1 / 255  # the smallest step from one 8-bit image to another


@final
@dataclass(frozen=True, kw_only=True)
class IterativeFGSM(SteppedAttack):
    """See the module.

    Args:
        steps: how many, at most.
        step_size: in the units of the inputs.
        stop: whether an input is left where it first fools the network. Otherwise all steps are done, and the last
            input counts even where an earlier one fooled the network and it does not: the weaker attack that is often
            reported (Sanyal et al. 2020, D.4).

    Raises:
        InputError: a number that is not positive, an unknown norm.

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(2, 2, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> attack = IterativeFGSM(radius=0.5, steps=3, step_size=0.1)
        >>> attack.attack(network, torch.tensor([[0.75, 0.5]]), torch.tensor([0])).inputs
        tensor([[0.5500, 0.7000]])
    """

    steps: int = 20
    step_size: float = PIXEL
    stop: bool = True

    @property
    def course(self) -> Steps:
        """From the input itself."""
        return Steps(steps=self.steps, step_size=self.step_size, random_start=False, stop=self.stop)

    def _perturbed(self, task: Task) -> Tensor:
        return self.path(task).last
