"""Step checkpointing: keep the accepted states, compute every step once more under autograd on the way back.

The gradient is that of the computed numbers, as with backpropagation, at the memory of one step and the accepted
states (the idea of ACA: Zhuang et al. 2020, "Adaptive checkpoint adjoint method"). Nothing is asked of the field's
smoothness, which makes it the choice for fields with kinks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from corank.ode.buffered import Accepted, integrate
from corank.ode.gradient.base import Adjoint, Problem
from corank.ode.recorded import dense, recorded_step
from corank.ode.stepping import Progress


@final
@dataclass(frozen=True, kw_only=True)
class Checkpoint(Adjoint):
    """Replays the accepted steps from the last to the first."""

    def forward(self, problem: Problem) -> tuple[Tensor, Progress, list[Accepted]]:
        """Solve and keep the accepted steps."""
        steps, progress = integrate(
            problem.field,
            problem.y0,
            problem.times,
            problem.solver,
            slope=problem.slope,
            groups=problem.groups,
            keep=True,
        )
        return steps.values, progress, steps.accepted

    def backward(self, problem: Problem, memory: Any, values: Tensor, gradients: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The adjoint through the replayed steps."""
        return replayed(problem, memory, gradients)


def replayed(problem: Problem, accepted: Sequence[Accepted], gradients: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The adjoint at the first time, without the gradient there, and the gradients in the parameters."""
    times = problem.times
    found = [torch.zeros_like(parameter) for parameter in problem.parameters]
    index = len(times) - 1
    adjoint = torch.zeros_like(gradients[0])
    for step in reversed(accepted):
        inner: list[int] = []
        while index > 0 and times[index] != step.start and (times[index] - step.start) * (step.end - step.start) > 0:
            if times[index] == step.end:
                adjoint = adjoint + gradients[index]
            else:
                inner.append(index)
            index -= 1
        outputs = [gradients[i] for i in inner]
        adjoint, in_parameters = _replay(problem, step, adjoint, [times[i] for i in inner], outputs)
        for total, one in zip(found, in_parameters, strict=True):
            if one is not None:
                total.add_(one)
    for left in range(1, index + 1):  # times that equal the first one
        adjoint = adjoint + gradients[left]
    return adjoint, found


def _replay(
    problem: Problem, step: Accepted, adjoint: Tensor, inner: Sequence[float], gradients: Sequence[Tensor]
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """The products of one step's end, and of the given times within it, with the Jacobians of the step."""
    h = step.end - step.start
    tableau = problem.solver.tableau
    with torch.enable_grad():
        y = step.state.detach().requires_grad_()
        end, slopes = recorded_step(problem.field, tableau, step.start, h, y, whole=bool(inner))
        outputs = [end, *(dense(tableau, y, h, (time - step.start) / h, slopes) for time in inner)]
    in_state, *in_parameters = torch.autograd.grad(
        outputs, [y, *problem.parameters], [adjoint, *gradients], allow_unused=True
    )
    assert in_state is not None
    return in_state, in_parameters
