"""What the methods share that solve an adjoint backward: its solver, its counts, the trajectory that it runs along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from corank.errors import InputError
from corank.ode.buffered import Accepted, BufferedSteps, integrate
from corank.ode.gradient.base import Problem
from corank.ode.interpolation import Interpolant, Interpolation
from corank.ode.solution import Status
from corank.ode.solvers.base import AdaptiveSolver, Solver
from corank.ode.stepping import Progress


class AdjointError(RuntimeError):
    """The solve of the adjoint ended early."""


def adjoint_solver(forward: Solver, given: Solver | None, rtol: float | None, atol: float | None) -> Solver:
    """The solver of the way back: the given one, or that of the way forward with other tolerances."""
    solver = given or forward
    if not isinstance(solver, AdaptiveSolver):
        return solver
    return replace(
        solver,
        rtol=solver.rtol if rtol is None else rtol,
        atol=solver.atol if atol is None else atol,
        first_step=None,
    )


def counted(problem: Problem, progress: Progress) -> float | None:
    """Add the counts of an adjoint's solve; the step it would have taken next.

    Raises:
        AdjointError: it did not reach its last time.
    """
    statistics = problem.field.statistics
    statistics.steps_backward += progress.steps
    statistics.rejections_backward += progress.rejections
    if progress.status is not Status.DONE:
        raise AdjointError(f"the adjoint's solve ended early: {progress.message}; try gradient='checkpoint'")
    return progress.step


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the way forward leaves behind.

    Attributes:
        steps: the accepted steps, where they were kept.
        grids: for every interval between two given times its stored times, and the states there; an interval of
            length zero has none.
        step: the size that the next step would have had.
    """

    steps: list[Accepted]
    grids: list[tuple[list[float], Tensor] | None]
    step: float | None


def solved_and_stored(
    problem: Problem, interpolation: Interpolation, *, keep: bool = False
) -> tuple[Tensor, Progress, Stored]:
    """Solve, and store what the interpolation needs; the states at the problem's times.

    Raises:
        InputError: a solver of given steps, which has no dense output, where states between its steps are needed.
    """
    if not interpolation.needs_steps and not isinstance(problem.solver, AdaptiveSolver):
        raise InputError(
            f"{type(problem.solver).__name__} has no dense output to interpolate: take an adaptive solver, "
            "Hermite() or gradient='checkpoint'"
        )
    times, places = [problem.times[0]], [0]
    for start, end in pairwise(problem.times):
        times += interpolation.times(start, end)[1:] if start != end else [end]
        places.append(len(times) - 1)
    steps, progress = integrate(
        problem.field,
        problem.y0,
        times,
        problem.solver,
        slope=problem.slope,
        groups=problem.groups,
        keep=keep,
        keep_slopes=interpolation.needs_steps,
    )
    if interpolation.needs_steps and progress.status is Status.DONE:
        _close(problem, steps)
    values = steps.values[places]
    grids: list[tuple[list[float], Tensor] | None] = []
    for first, last in pairwise(places):
        is_empty = times[first] == times[last]
        grids.append(None if is_empty else (times[first : last + 1], steps.values[first : last + 1]))
    problem.field.statistics.nodes = len(steps.accepted) if interpolation.needs_steps else len(times)
    return values, progress, Stored(steps=steps.accepted, grids=grids, step=progress.step)


def _close(problem: Problem, steps: BufferedSteps) -> None:
    """The end as a step of its own, so that the steps' states and slopes cover the whole solve."""
    end = problem.times[-1]
    slope = steps.last_slope
    if slope is None:
        with torch.no_grad():
            slope = problem.field(end, steps.y)
    steps.accepted.append(Accepted(start=end, end=end, state=steps.y, slope=slope.clone()))


def trajectories(interpolation: Interpolation, stored: Stored) -> Sequence[Interpolant | None]:
    """The trajectory of every interval; none where its length is zero."""
    return [
        None if grid is None else interpolation.interpolant(grid[0], grid[1], stored.steps) for grid in stored.grids
    ]
