"""The loop that every solve goes through: from the first time to the last, in steps that a solver chooses.

Time is a Python float. The last step is clipped, so that the field is never evaluated beyond the last time; times
within a step are read off its dense output. What a step does to its tensors is left to `Steps`: quickly, in buffers,
without a graph (`buffered`), or under autograd (`recorded`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from corank.ode.solution import Status
from corank.ode.solvers.base import AdaptiveSolver, FixedSolver, Solver

_STRETCH = 1.01  # a step that would leave less than a hundredth of itself goes to the end instead


@dataclass(kw_only=True)
class Progress:
    """How a solve went.

    Attributes:
        status: how it ended.
        message: the same in words.
        reached: the last time that was reached.
        step: the size that the next step would have had.
        steps: accepted steps.
        rejections: rejected steps.
    """

    status: Status = Status.DONE
    message: str = "the last time was reached"
    reached: float = 0.0
    step: float | None = None
    steps: int = 0
    rejections: int = 0


class Steps(ABC):
    """The tensors of a solve: the present state, an attempted step, the states at the wanted times."""

    @abstractmethod
    def first_step(self, t: float, span: float, solver: AdaptiveSolver) -> float:
        """A size for the first step; not-a-number where field or state are not finite."""

    @abstractmethod
    def attempt(self, t: float, end: float) -> float:
        """Compute the step from t to end; its error relative to the tolerance (0 for a scheme without estimate)."""

    @abstractmethod
    def accept(self) -> None:
        """Make the attempted step's end the present state."""

    @abstractmethod
    def put(self, first: int, times: Sequence[float]) -> None:
        """Store the states at these times within the attempted step as those of the wanted times from `first` on."""

    @abstractmethod
    def put_present(self, index: int) -> None:
        """Store the present state as that of a wanted time."""


def drive(steps: Steps, times: Sequence[float], solver: Solver, step: float | None = None) -> Progress:
    """Go from the first of the times to the last.

    Args:
        steps: the tensors.
        times: where states are wanted: not decreasing or not increasing.
        solver: how steps are chosen.
        step: the size of the first step, where it is known from before.
    """
    if isinstance(solver, FixedSolver):
        return _drive_fixed(steps, times, solver)
    assert isinstance(solver, AdaptiveSolver)
    return _drive_adaptive(steps, times, solver, step or solver.first_step)


def _drive_fixed(steps: Steps, times: Sequence[float], solver: FixedSolver) -> Progress:
    progress = Progress(reached=times[0])
    steps.put_present(0)
    for index, (start, end) in enumerate(pairwise(times), start=1):
        count = solver.steps_between(start, end)
        grid = [start + (end - start) * (k / count) for k in range(count)] + [end]
        for t, following in pairwise(grid):
            steps.attempt(t, following)
            steps.accept()
        progress.steps += count
        progress.reached = end
        steps.put_present(index)
    return progress


def _drive_adaptive(steps: Steps, times: Sequence[float], solver: AdaptiveSolver, step: float | None) -> Progress:
    t, last = times[0], times[-1]
    sign = 1.0 if last >= t else -1.0
    order = solver.tableau.embedded_order
    progress = Progress(reached=t)
    steps.put_present(0)
    index, previous = 1, 1.0
    while index < len(times) and times[index] == t:
        steps.put_present(index)
        index += 1
    if index == len(times):
        return progress
    if step is None:
        step = steps.first_step(t, last - t, solver)
        if not math.isfinite(step):
            return _end(progress, Status.NOT_FINITE, f"the field or the state at time {t:.6g} is not finite")
    step = min(step, solver.max_step)
    while True:
        size = abs(last - t) if _STRETCH * step >= abs(last - t) else step
        end = last if size != step else t + sign * size
        if end == t or size < solver.min_step:
            status = Status.STEP_TOO_SMALL if math.isfinite(previous) else Status.NOT_FINITE
            what = "the error asks for a step" if math.isfinite(previous) else "the field is not finite for any step"
            return _end(progress, status, f"{what} smaller than {max(size, np.spacing(abs(t))):.3g} at time {t:.6g}")
        if progress.steps + progress.rejections == solver.max_steps:
            return _end(progress, Status.TOO_MANY_STEPS, f"{solver.max_steps} steps led to time {t:.6g} only")
        error = steps.attempt(t, end)
        factor = solver.control.factor(error, previous if math.isfinite(previous) else 1.0, order)
        if error <= 1:
            first = index
            while index < len(times) and sign * (end - times[index]) > 0:
                index += 1
            if index > first:
                steps.put(first, times[first:index])
            steps.accept()
            t = progress.reached = end
            progress.steps += 1
            while index < len(times) and times[index] == t:
                steps.put_present(index)
                index += 1
            step = min(max(step, size * factor) if size < step else size * factor, solver.max_step)
            progress.step = step
            if index == len(times):
                return progress
        else:
            progress.rejections += 1
            step = size * factor
        previous = error


def _end(progress: Progress, status: Status, message: str) -> Progress:
    progress.status, progress.message = status, message
    return progress
