"""The attack of Carlini & Wagner 2017 in l2: Adam on length and margin together, their balance sought by bisection.

It runs in foolbox. Inputs are moved in a space in which no bounds can be crossed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from corank.attack.checks import check_counts, check_positive
from corank.attack.outside import attacked_outside, foolbox_attempt
from corank.attack.sample import ShortestAttack, Task
from corank.errors import InputError


@final
@dataclass(frozen=True, kw_only=True)
class CarliniWagner(ShortestAttack):
    """See the module.

    Args:
        balances: weights of the margin against the length that are tried, one after the other.
        steps: of Adam for each of them.
        step_size: of Adam.
        first_balance: the weight that is tried first; ten times as much until one is enough, then in between.

    Raises:
        InputError: a number that is not positive, a norm other than l2.

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(2, 2, bias=False).eval()
        >>> _ = network.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> found = CarliniWagner().attack(network, torch.tensor([[0.75, 0.5]]), torch.tensor([0]))
        >>> round(float(found.distances[0]), 2)
        0.18
    """

    balances: int = 9
    steps: int = 100
    step_size: float = 0.1
    first_balance: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm != "l2":
            raise InputError(f"norm must be l2 for carlini-wagner, got {self.norm!r}")
        check_counts(balances=self.balances, steps=self.steps)
        check_positive(step_size=self.step_size, first_balance=self.first_balance)

    def _found(self, task: Task) -> Tensor:
        from foolbox.attacks.carlini_wagner import L2CarliniWagnerAttack

        attack = L2CarliniWagnerAttack(
            binary_search_steps=self.balances, steps=self.steps, stepsize=self.step_size,
            initial_const=self.first_balance, abort_early=False,
        )  # fmt: skip
        return attacked_outside(task, foolbox_attempt(attack, targeted=task.targets is not None))
