"""What a solve returns: values, what happened, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import final

from torch import Tensor

from corank.ode.statistics import Statistics
from corank.result import Result, Scalar

State = Tensor | tuple[Tensor, ...]


class Status(StrEnum):
    """How a solve ended."""

    DONE = "done"
    TOO_MANY_STEPS = "too many steps"
    STEP_TOO_SMALL = "step too small"
    NOT_FINITE = "not finite"


@final
@dataclass(frozen=True, kw_only=True)
class Solution(Result):
    """The solution of an initial value problem at the given times.

    Attributes:
        values: the states, of shape (times, *shape of z0), or a tuple of such tensors; not-a-number at the times that
            were not reached.
        times: the given times.
        status: whether the last time was reached, or else why not.
        message: the same in words.
        reached: the last time that was reached.
        statistics: what it cost; the backward pass adds its own costs.
    """

    values: State = field(metadata={"json": False})
    times: tuple[float, ...]
    status: Status
    message: str
    reached: float
    statistics: Statistics

    @property
    def done(self) -> bool:
        """Whether the last time was reached."""
        return self.status is Status.DONE

    @property
    def last(self) -> State:
        """The state at the last time."""
        return tuple(part[-1] for part in self.values) if isinstance(self.values, tuple) else self.values[-1]

    def row(self) -> dict[str, Scalar]:
        """Status and costs."""
        counts = self.statistics
        return {
            "status": str(self.status),
            "gradient": counts.gradient,
            "evaluations_forward": counts.evaluations_forward,
            "evaluations_backward": counts.evaluations_backward,
            "steps": counts.steps,
            "rejections": counts.rejections,
        }


class SolveError(RuntimeError):
    """A solve that did not reach its last time; `solution` holds what there is and says why."""

    def __init__(self, solution: Solution) -> None:
        super().__init__(solution.message)
        self.solution = solution

    def __reduce__(self) -> tuple[type[SolveError], tuple[Solution]]:
        return type(self), (self.solution,)
