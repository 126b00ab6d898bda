"""Inputs perturbed on one network to fool another: descent that goes on when the first is fooled.

What only just fools the network it was made on seldom fools another. All steps are done, therefore, and of those inputs
that fool the first network the one of the largest loss is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from corank.attack.descent import Steps
from corank.attack.stepped import SteppedAttack


@dataclass(frozen=True, kw_only=True)
class TransferredDescent(SteppedAttack):
    """Projected gradient descent on the cross-entropy that never stops early; give `attack` a `source`.

    Args:
        steps: each of 2.5 radii over their number.

    Raises:
        InputError: a number that is not positive, an unknown norm.
    """

    steps: int = 40

    @property
    def course(self) -> Steps:
        """Every step, from a random start."""
        return Steps(steps=self.steps, stop=False)
