"""What the cost figures are drawn from: one network, how well it works and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from corank.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """A network's accuracy and cost.

    Attributes:
        name: as it is shown.
        accuracy: share of right answers, 0 to 1; after fine-tuning where there was one.
        accuracy_untuned: the same before fine-tuning, None without one.
        multiply_adds: of one sample's forward pass.
        storage_bytes: of its parameters.
        latency_ms: of one forward pass, None where it was not measured.

    Raises:
        InputError: an accuracy outside 0 to 1, a cost that is negative or not finite.

    Example:
        >>> Tradeoff(name="cut", accuracy=98.1, multiply_adds=10, storage_bytes=4)
        Traceback (most recent call last):
        corank.errors.InputError: accuracy of 'cut' must be a share between 0 and 1, got 98.1
    """

    name: str
    accuracy: float
    accuracy_untuned: float | None = None
    multiply_adds: int
    storage_bytes: int
    latency_ms: float | None = None

    def __post_init__(self) -> None:
        for label, share in (("accuracy", self.accuracy), ("accuracy_untuned", self.accuracy_untuned)):
            if share is not None and not 0 <= share <= 1:
                raise InputError(f"{label} of {self.name!r} must be a share between 0 and 1, got {share}")
        costs = {
            "multiply_adds": self.multiply_adds,
            "storage_bytes": self.storage_bytes,
            "latency_ms": self.latency_ms,
        }
        for label, value in costs.items():
            if value is not None and not (0 <= value < math.inf):
                raise InputError(f"{label} of {self.name!r} must be finite and not negative, got {value}")
