"""One network within a budget, as it would be: where it is cut, how wide it is, what it costs, how well it works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from corank.network import Cost
from corank.result import Result, Scalar

PRUNING = "pruning"


@dataclass(frozen=True, kw_only=True)
class Candidate(Result):
    """What one method would make of a network under a budget.

    Attributes:
        method: "ASNet", "RON", "pruning", "pruning + ASNet" or "pruning + RON".
        layer: the last one that is kept; None where none is cut away.
        sizes: ranks of an ASNet or of the layers of a RON, or the widths that pruning leaves, in the order of layers.
        cost: of the network.
        latency_ms: median of one sample; None where it was not measured.
        reached: amount of the budgeted quantity.
        fits: whether it is within the budget.
        accuracy: on the judging samples, before any training.
        agreement: share of them that it puts into the original's class, before any training.
        trial_accuracy: on them after the short trial training; None without.
    """

    method: str
    layer: str | None
    sizes: tuple[int, ...]
    cost: Cost
    latency_ms: float | None
    reached: float
    fits: bool
    accuracy: float
    agreement: float
    trial_accuracy: float | None = None

    @property
    def judged(self) -> float:
        """The accuracy that it is compared by: after the trial, where there was one."""
        return self.accuracy if self.trial_accuracy is None else self.trial_accuracy

    @property
    def name(self) -> str:
        """Method and place, in a few words."""
        return self.method if self.layer is None else f"{self.method} after {self.layer}"

    @property
    def changed(self) -> str:
        """What it changes in the network, in words.

        Example:
            >>> free = Cost(parameters=0, storage_bytes=0, multiply_adds=0)
            >>> print(Candidate(method="pruning + ASNet", layer="conv3", sizes=(20,), cost=free, latency_ms=None,
            ...                 reached=0, fits=True, accuracy=1, agreement=1).changed)
            the least important channels before conv3 were removed, all after it became a polynomial of 20 directions
        """
        channels = "the least important channels"
        if self.layer is None and self.method == PRUNING:
            return f"{channels} of all layers were removed"
        end = f"a polynomial of {self.sizes[0]} directions" if "ASNet" in self.method else "a few dense layers"
        if self.method.startswith(PRUNING):
            return f"{channels} before {self.layer} were removed, all after it became {end}"
        return f"all after {self.layer or 'the input'} became {end}"

    def row(self) -> dict[str, Scalar]:
        """Method, place, cost and accuracy."""
        return {
            "method": self.method, "layer": self.layer, **self.cost.row(), "latency_ms": self.latency_ms,
            "accuracy": self.accuracy, "agreement": self.agreement, "trial accuracy": self.trial_accuracy,
        }  # fmt: skip


def front_of(candidates: Sequence[Candidate], amount: Callable[[Candidate], float]) -> tuple[Candidate, ...]:
    """Those that no other beats in some amount and in accuracy, the least first."""
    front: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: (amount(one), -one.judged, one.cost.parameters)):
        if not front or candidate.judged > front[-1].judged:
            front.append(candidate)
    return tuple(front)
