"""Steps towards the class that is least likely at the moment (Kurakin et al. 2017; Sanyal et al. 2020, eq. 6: ILL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from corank.attack.descent import Steps
from corank.attack.iterative_fgsm import PIXEL
from corank.attack.losses import cross_entropy
from corank.attack.sample import Task
from corank.attack.stepped import SteppedAttack


@final
@dataclass(frozen=True, kw_only=True)
class LeastLikely(SteppedAttack):
    """See the module; the class is chosen anew in every step.

    Args:
        steps: how many, at most.
        step_size: in the units of the inputs.
        stop: whether an input is left where it first fools the network; otherwise all steps are done and the last
            input counts.

    Raises:
        InputError: a number that is not positive, an unknown norm.

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(2, 3, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
        >>> attack = LeastLikely(radius=0.5, steps=1, step_size=0.1)
        >>> attack.attack(network, torch.tensor([[0.75, 0.5]]), torch.tensor([0])).inputs
        tensor([[0.6500, 0.4000]])
    """

    steps: int = 20
    step_size: float = PIXEL
    stop: bool = True

    takes_targets: ClassVar[bool] = False

    @property
    def course(self) -> Steps:
        """From the input itself."""
        return Steps(
            steps=self.steps, step_size=self.step_size, loss=nearness_to_the_least_likely, random_start=False,
            stop=self.stop,
        )  # fmt: skip

    def _perturbed(self, task: Task) -> Tensor:
        return self.path(task).last


def nearness_to_the_least_likely(logits: Tensor, _: Tensor) -> Tensor:
    """The logarithm of the probability of the class that has the least."""
    return -cross_entropy(logits, logits.argmin(1))
