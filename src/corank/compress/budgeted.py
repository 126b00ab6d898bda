"""What the search within a budget returns: the candidates, the one that was chosen and why, and its network."""

from __future__ import annotations

from dataclasses import dataclass

from corank.compress.base import Compressed
from corank.compress.budget import Target
from corank.compress.race.candidate import Candidate, front_of
from corank.result import Scalar


@dataclass(frozen=True, kw_only=True)
class Budgeted(Compressed):
    """A network within a budget.

    Attributes:
        target: what was asked for; None where only the accuracy was.
        max_drop: how many points of accuracy might be lost; None where it was not said.
        limit: the largest amount of the target's quantity; None without a target.
        reached: the amount of the returned network, counted or measured on it; None without a target.
        candidates: of all methods, by their accuracy.
        chosen: the one that was built and trained.
        reason: why this one.
        meets: whether everything that was asked for is met, by validation accuracy after training where a drop was
            limited.
        accuracy_original: of the original network on the judging samples.
        samples_judging: how many these are.
        measure_seconds: of measuring.
        search_seconds: of choosing cut, ranks and widths of every method, from what was measured and counted.
        judge_seconds: of fitting the candidates and judging them, without trial trainings.
    """

    target: Target | None
    max_drop: float | None
    limit: float | None
    reached: float | None
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    reason: str
    meets: bool
    accuracy_original: float
    samples_judging: int
    measure_seconds: float
    search_seconds: float
    judge_seconds: float = 0.0

    @property
    def front(self) -> tuple[Candidate, ...]:
        """The Pareto front of all candidates in the budgeted quantity and accuracy, the least first."""
        return front_of(self.candidates, self.amount)

    def amount(self, candidate: Candidate) -> float:
        """How much of the budgeted quantity a candidate takes; without a target, of multiply-adds."""
        return candidate.reached if self.target else candidate.cost.multiply_adds

    @property
    def manner(self) -> str:
        """How it was made, in a few words that may follow the name of the network."""
        return f"made smaller by {self.chosen.name}"

    @property
    def goal(self) -> dict[str, Scalar]:
        """What was aimed at, and whether it is met."""
        return {
            "target": None if self.target is None else str(self.target), "limit": self.limit, "reached": self.reached,
            "max_drop": self.max_drop, "meets": self.meets,
        }  # fmt: skip

    @property
    def why(self) -> str:
        """What was changed, what was left and why, in a sentence for people."""
        return f"{self.chosen.changed}: {self.reason}"
