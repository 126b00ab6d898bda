"""Whether a network is within a budget: by its cost, or by a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from corank.compress.budget import LATENCY, Target
from corank.network import Cost, latencies

SECONDS = 0.2
ORIGINAL_SECONDS = 1.0  # a disturbance of this one would move the budget
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, eq=False)
class Allowance:
    """A target for one network.

    Attributes:
        target: what was asked for.
        original: the cost of the original network.
        original_ms: its latency for one sample, where that is asked for.
        example: `(1, ...)` the sample.
    """

    target: Target
    original: Cost
    original_ms: float | None
    example: Tensor

    @classmethod
    def of(cls, target: Target, network: nn.Module, original: Cost, example: Tensor) -> Allowance:
        """The allowance for a network."""
        one = example[:1]
        original_ms = None
        if target.quantity == LATENCY:
            original_ms = medians_ms({"original": network}, one, ORIGINAL_SECONDS)["original"]
        return cls(target=target, original=original, original_ms=original_ms, example=one)

    @property
    def is_timed(self) -> bool:
        """Whether it is a latency, which is measured, not counted."""
        return self.original_ms is not None

    @property
    def whole(self) -> float:
        """How much of the quantity the original network takes."""
        return self.target.amount(self.original) if self.original_ms is None else self.original_ms

    @property
    def limit(self) -> float:
        """The largest amount that is within the budget."""
        return self.target.most(self.whole)

    def foretold(self, cost: Cost) -> float:
        """How much of the quantity a network of some cost takes; a latency as if it went with multiply-adds."""
        if self.original_ms is None:
            return self.target.amount(cost)
        return self.original_ms * cost.multiply_adds / self.original.multiply_adds

    def reaches(self, cost: Cost) -> bool:
        """Whether the budget leaves something beyond a cost, as far as can be foretold."""
        return self.foretold(cost) < self.limit

    def amount(self, cost: Cost, network: Callable[[], nn.Module]) -> float:
        """How much of the quantity a network takes; it is only built to be timed."""
        if self.original_ms is None:
            return self.target.amount(cost)
        return medians_ms({"network": network()}, self.example)["network"]


def medians_ms(networks: Mapping[str, nn.Module], example: Tensor, seconds: float = SECONDS) -> dict[str, float]:
    """The median time of one forward pass of each of some networks, which take turns."""
    found = latencies(networks, example, seconds=seconds)
    return {name: latency.median_ms for name, latency in found.items()}


def largest(items: Sequence[Item], fits: Callable[[Item], bool]) -> int | None:
    """The place of the last of some items, in ascending order, that fits; None where none does.

    Example:
        >>> largest([1, 4, 9, 16], lambda item: item < 10), largest([1, 4], lambda item: item < 0)
        (2, None)
    """
    low, high = -1, len(items)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(items[middle]):
            low = middle
        else:
            high = middle
    return low if low >= 0 else None
