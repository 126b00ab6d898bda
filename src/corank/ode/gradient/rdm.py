"""The reverse dynamic method: state, adjoint and the parameters' gradient solved backward as one system.

It is what torchdiffeq calls the adjoint method (Chen et al. 2018, "Neural ordinary differential equations"; Daulbaev's
thesis, section 1.2.2). The state is not stored but solved again from its end, so that a field whose reverse is
unstable gives a wrong gradient without notice, and its tolerances mean another accuracy for every unit of the loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from corank.ode.buffered import integrate
from corank.ode.gradient.adjoint_solve import adjoint_solver, counted
from corank.ode.gradient.base import Adjoint, Problem
from corank.ode.solvers.base import Solver
from corank.ode.stepping import Progress


@final
@dataclass(frozen=True, kw_only=True)
class RDM(Adjoint):
    """The usual adjoint method.

    Attributes:
        seminorm: whether the parameters' gradient, which nothing depends on, is left out of the error that chooses the
            steps (Kidger, Chen and Lyons 2021, "Hey, that's not an ODE").
        rtol: relative tolerance of the way back; None is the solver's.
        atol: absolute tolerance of the way back; None is the solver's.
        solver: the solver of the way back; None is that of the way forward.
    """

    seminorm: bool = False
    rtol: float | None = None
    atol: float | None = None
    solver: Solver | None = None

    def forward(self, problem: Problem) -> tuple[Tensor, Progress, None]:
        """Solve; nothing is kept but the values."""
        steps, progress = integrate(
            problem.field, problem.y0, problem.times, problem.solver, slope=problem.slope, groups=problem.groups
        )
        return steps.values, progress, None

    def backward(self, problem: Problem, memory: Any, values: Tensor, gradients: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Solve the augmented system from every time to the one before it."""
        size = values.shape[1]
        parameters = problem.parameters
        sizes = [parameter.numel() for parameter in parameters]
        state_groups = problem.field.sizes * 2
        groups = state_groups if self.seminorm else [*state_groups, *sizes]
        solver = adjoint_solver(problem.solver, self.solver, self.rtol, self.atol)

        def derivative(t: float, state: Tensor) -> Tensor:
            found, in_state, in_parameters = problem.field.products(t, state[:size], state[size : 2 * size], parameters)
            return torch.cat([problem.field.flat(found), -in_state, *_negative(in_parameters, parameters)])

        adjoint = values.new_zeros(size)
        total = values.new_zeros(sum(sizes))
        step: float | None = None
        for index in range(len(problem.times) - 1, 0, -1):
            adjoint = adjoint + gradients[index]
            start, end = problem.times[index], problem.times[index - 1]
            if start == end:
                continue
            state = torch.cat([values[index], adjoint, total])
            steps, progress = integrate(derivative, state, [start, end], solver, groups=groups, step=step)
            step = counted(problem, progress)
            adjoint, total = steps.y[size : 2 * size], steps.y[2 * size :]
        pieces = total.split(sizes)  # type: ignore[no-untyped-call]
        return adjoint, [piece.view_as(parameter) for piece, parameter in zip(pieces, parameters, strict=True)]


def _negative(products: list[Tensor | None], parameters: tuple[Tensor, ...]) -> list[Tensor]:
    return [
        torch.zeros_like(parameter).view(-1) if one is None else -one.reshape(-1)
        for one, parameter in zip(products, parameters, strict=True)
    ]
