"""Whether a network is within a budget: by its cost, or by a clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from corank.compress.budget import LATENCY, Target
from corank.network import Cost, latencies

SECONDS = 0.3
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
        return cls(
            target=target, original=original, example=one,
            original_ms=latency_ms(network, one) if target.quantity == LATENCY else None,
        )  # fmt: skip

    @property
    def limit(self) -> float:
        """The largest amount that is within the budget."""
        original = self.target.amount(self.original) if self.original_ms is None else self.original_ms
        return self.target.most(original)

    def foretold(self, cost: Cost) -> float:
        """How much of the budgeted quantity a network of some cost takes; a latency as if it went with multiply-adds."""
        if self.original_ms is None:
            return self.target.amount(cost)
        return self.original_ms * cost.multiply_adds / self.original.multiply_adds

    def reaches(self, cost: Cost) -> bool:
        """Whether the budget leaves something beyond a cost, as far as can be foretold."""
        return self.foretold(cost) < self.limit

    def amount(self, cost: Cost, network: Callable[[], nn.Module]) -> float:
        """How much of the budgeted quantity a network takes; it is only built to be timed."""
        if self.original_ms is None:
            return self.target.amount(cost)
        return latency_ms(network(), self.example)

    def fits(self, cost: Cost, network: Callable[[], nn.Module]) -> bool:
        """Whether a network is within the budget."""
        return self.amount(cost, network) <= self.limit


def latency_ms(network: nn.Module, example: Tensor) -> float:
    """The median time of one forward pass."""
    return latencies({"network": network}, example, seconds=SECONDS)["network"].median_ms


def largest(items: Sequence[Item], fits: Callable[[Item], bool]) -> Item | None:
    """The last of some items, in ascending order, that fits; None where none does."""
    low, high = -1, len(items)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(items[middle]):
            low = middle
        else:
            high = middle
    return items[low] if low >= 0 else None
