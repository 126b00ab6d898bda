"""Backpropagation through the solver's steps: the gradient of what was computed, to any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.ode.gradient.base import Gradient, Problem
from corank.ode.recorded import RecordedSteps
from corank.ode.solution import Status
from corank.ode.stepping import Progress, drive


@final
@dataclass(frozen=True, kw_only=True)
class Backprop(Gradient):
    """Every stage of every accepted step stays in the graph: the memory grows with the number of evaluations.

    Rejected steps and the choice of the steps' sizes have no gradient; the steps move with the given times.
    """

    def integrate(self, problem: Problem) -> tuple[Tensor, Progress]:
        """The states at the problem's times, in the graph of their own computation."""
        steps = RecordedSteps(problem.field, problem.y0, problem.times, problem.t, problem.solver, problem.groups)
        progress = drive(steps, problem.times, problem.solver)
        values = steps.values
        if torch.compiler.is_compiling():  # a loop of given steps compiles as a whole, but for the next question
            return values, progress
        if progress.status is Status.DONE and not bool(torch.isfinite(values[-1]).all()):
            progress.status, progress.message = Status.NOT_FINITE, "the solution is not finite at the last time"
        return values, progress
