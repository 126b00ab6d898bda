"""Projected gradient descent: many small steps within the budget from a random start (Madry et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.attack.descent import Steps
from corank.attack.losses import LossName, loss_named
from corank.attack.stepped import SteppedAttack


@final
@dataclass(frozen=True, kw_only=True)
class PGD(SteppedAttack):
    """See the module.

    Args:
        steps: from each start.
        step_size: in the units of the inputs; None takes 2.5 radii over the number of steps.
        loss: "cross-entropy", "margin" or "logits-ratio" (DLR).
        restarts: starts, of which all but the first are random; only inputs that still resist start again.
        random_start: whether the first start is random too, not the input itself.
        draws: gradients that each step averages, for networks that are random.

    Raises:
        InputError: a number that is not positive, an unknown norm or loss.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
        >>> found = PGD(radius=1.0, steps=5).attack(network, torch.rand(3, 1, 2, 2), torch.zeros(3, dtype=torch.long))
        >>> bool((found.lengths <= 1.0).all())
        True
    """

    steps: int = 40
    step_size: float | None = None
    loss: LossName = "cross-entropy"
    restarts: int = 1
    random_start: bool = True
    draws: int = 1

    @property
    def course(self) -> Steps:
        """As the options say."""
        return Steps(
            steps=self.steps, step_size=self.step_size, loss=loss_named(self.loss), restarts=self.restarts,
            random_start=self.random_start, draws=self.draws,
        )  # fmt: skip
