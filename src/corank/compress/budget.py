"""What a smaller network may cost: `macs=3x`, `params=10x`, `storage-mb=5` or `latency-ms=4`.

A number followed by x is a ratio, "3x" a third; another one is the limit itself, in the quantity's own unit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Self

from corank.errors import InputError, near
from corank.network import Cost
from corank.result import Result, Scalar

QUANTITIES = {"macs": "multiply-adds", "params": "parameters", "storage-mb": "MB", "latency-ms": "ms for one sample"}
LATENCY = "latency-ms"
NUMBER = re.compile(r"\d+(\.\d+)?(e\+?\d+)?")


@dataclass(frozen=True, kw_only=True)
class Target(Result):
    """A limit of one quantity.

    Attributes:
        quantity: macs, params, storage-mb or latency-ms.
        limit: in its unit, or how many times less than the original; in any case positive.
        is_ratio: which of both.
    """

    quantity: str
    limit: float
    is_ratio: bool

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The target that a text says.

        Raises:
            InputError: it says none.

        Example:
            >>> Target.parsed("macs=3x")
            Target(quantity='macs', limit=3.0, is_ratio=True)
        """
        quantity, _, value = text.partition("=")
        expected = "a target is as in macs=3x, params=10x, storage-mb=5 or latency-ms=4"
        if quantity not in QUANTITIES:
            raise InputError(f"{expected}, got {text!r}; {near(quantity, QUANTITIES)}")
        number = value.removesuffix("x")
        if not NUMBER.fullmatch(number):
            raise InputError(f"{expected}, got the number {value!r} in {text!r}")
        limit, is_ratio = float(number), value.endswith("x")
        if not 0 < limit < math.inf or (is_ratio and limit <= 1):
            least = "above 1" if is_ratio else "positive"
            raise InputError(f"{expected}, its number must be {least} and finite, got {value!r} in {text!r}")
        return cls(quantity=quantity, limit=limit, is_ratio=is_ratio)

    def __str__(self) -> str:
        return f"{self.quantity}={self.limit:.12g}{'x' if self.is_ratio else ''}"

    @property
    def unit(self) -> str:
        """Of the quantity, in words."""
        return QUANTITIES[self.quantity]

    def most(self, original: float) -> float:
        """The largest amount that meets the target.

        Args:
            original: the amount of the original network.

        Example:
            >>> Target.parsed("macs=4x").most(100.0), Target.parsed("macs=30").most(100.0)
            (25.0, 30.0)
        """
        return original / self.limit if self.is_ratio else self.limit

    def amount(self, cost: Cost) -> float:
        """How much of the quantity a network costs; a latency is none of a cost's."""
        assert self.quantity != LATENCY
        amounts = {"macs": cost.multiply_adds, "params": cost.parameters, "storage-mb": cost.storage_mb}
        return float(amounts[self.quantity])

    def row(self) -> dict[str, Scalar]:
        """The target as it is written."""
        return {"target": str(self)}
