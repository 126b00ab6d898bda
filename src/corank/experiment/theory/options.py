"""How the networks of the theory bench are trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from corank.errors import InputError

LEAST_STEPS = 8  # an epoch, where there are few points


@dataclass(frozen=True, kw_only=True)
class TheoryTraining:
    """A training of the theory bench by Adam with the cross entropy.

    The paper names width and epochs, but neither step size nor batch. Those here are PyTorch's own step size for Adam
    and a batch with which, at dimension 12, about as many runs reach a training accuracy of 1 as in the paper.

    Args:
        width: of the hidden layers.
        epochs: passes over all points.
        learning_rate: of Adam.
        batch_size: points a step; an eighth of all of them where these are fewer than eight batches.
        scale: by which all columns of A but the last are multiplied.

    Raises:
        InputError: an option out of its range.

    Example:
        >>> TheoryTraining().batch_of(12), TheoryTraining().batch_of(7)
        (256, 16)
    """

    width: int = 3000
    epochs: int = 20
    learning_rate: float = 1e-3
    batch_size: int = 256
    scale: float = 5.0

    def __post_init__(self) -> None:
        for name in ("width", "epochs", "batch_size"):
            value = getattr(self, name)
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        for name in ("learning_rate", "scale"):
            number = getattr(self, name)
            if not (number > 0 and math.isfinite(number)):
                raise InputError(f"{name} must be positive and finite, got {number}")

    def batch_of(self, dimension: int) -> int:
        """Points a step at a dimension."""
        return min(self.batch_size, max(1, (1 << dimension) // LEAST_STEPS))
