"""A step size that falls when the validation accuracy stops rising.

Daulbaev 2023, Applications of Differential Equations and Reduced-Order Modeling for Deep Learning, section 5.4.3: the
rate "is halved after ten training epochs without validation quality improvement". The factor follows from the
accuracies of all epochs done and from nothing else, so a training that is resumed needs no state but its history.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from corank.errors import InputError
from corank.train.history import EpochRow


@final
@dataclass(frozen=True, kw_only=True)
class Plateau:
    """The step size times `factor` after every `patience` epochs in a row without a better validation accuracy.

    Args:
        patience: epochs that are waited for one better than all before, at least 1.
        factor: what the rate is multiplied with then, in `(0, 1)`; the epochs are counted anew.

    Raises:
        InputError: a patience or factor out of its range.

    Example:
        >>> plateau = Plateau(patience=2)
        >>> [plateau.factor_after(accuracies) for accuracies in ([], [0.5, 0.6, 0.6], [0.5, 0.6, 0.6, 0.4])]
        [1.0, 1.0, 0.5]
    """

    patience: int = 10
    factor: float = 0.5

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise InputError(f"patience must be at least 1, got {self.patience}")
        if not 0 < self.factor < 1:
            raise InputError(f"factor must be strictly between 0 and 1, got {self.factor}")

    def factor_after(self, accuracies: Sequence[float]) -> float:
        """The factor of the next epoch, after epochs with these validation accuracies."""
        best, waited, falls = -math.inf, 0, 0
        for accuracy in accuracies:
            waited = 0 if accuracy > best else waited + 1
            best = max(best, accuracy)
            if waited == self.patience:
                waited, falls = 0, falls + 1
        return self.factor**falls

    def next_factor(self, rows: Sequence[EpochRow]) -> float:
        """The factor of the epoch that follows these."""
        return self.factor_after([row.validation_accuracy for row in rows if row.validation_accuracy is not None])
