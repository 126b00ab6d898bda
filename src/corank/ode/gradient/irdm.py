"""The interpolated reverse dynamic method (Daulbaev's thesis, chapter 2; Daulbaev et al. 2020).

The way forward stores states on a grid; the way back solves the adjoint and the parameters' gradient alone, along the
interpolated trajectory. Its tolerances are absolute in the loss: a loss in another unit gets another accuracy and
another number of evaluations. `Quadrature` mends that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from corank.ode.buffered import integrate
from corank.ode.gradient.adjoint_solve import Stored, adjoint_solver, counted, solved_and_stored, trajectories
from corank.ode.gradient.base import Adjoint, Problem
from corank.ode.interpolation import Chebyshev, Interpolation
from corank.ode.solvers.base import Solver
from corank.ode.stepping import Progress


@final
@dataclass(frozen=True, kw_only=True)
class IRDM(Adjoint):
    """The method of the thesis.

    Attributes:
        interpolation: how the trajectory is stored; `Chebyshev(nodes=17, printed_weights=True)` is the thesis to the
            letter, `PiecewiseLinear` that of its Figure 2.7b.
        rtol: relative tolerance of the way back; None is the solver's.
        atol: absolute tolerance of the way back; None is the solver's.
        solver: the solver of the way back; None is that of the way forward.
    """

    interpolation: Interpolation = field(default_factory=Chebyshev)
    rtol: float | None = None
    atol: float | None = None
    solver: Solver | None = None

    def forward(self, problem: Problem) -> tuple[Tensor, Progress, Stored]:
        """Solve and store the grid."""
        return solved_and_stored(problem, self.interpolation)

    def backward(self, problem: Problem, memory: Any, values: Tensor, gradients: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Solve adjoint and parameters' gradient as one system, interval by interval."""
        size = values.shape[1]
        parameters = problem.parameters
        sizes = [parameter.numel() for parameter in parameters]
        solver = adjoint_solver(problem.solver, self.solver, self.rtol, self.atol)
        state = values.new_zeros(size + sum(sizes))
        step: float | None = None
        paths = trajectories(self.interpolation, memory)
        for index in range(len(problem.times) - 1, 0, -1):
            state[:size] += gradients[index]
            path = paths[index - 1]
            if path is None:
                continue

            def derivative(t: float, state: Tensor, path: Any = path) -> Tensor:
                _, in_state, in_parameters = problem.field.products(t, path(t), state[:size], parameters)
                pieces = [
                    torch.zeros_like(parameter).view(-1) if one is None else one.reshape(-1)
                    for one, parameter in zip(in_parameters, parameters, strict=True)
                ]
                return torch.cat([in_state, *pieces]).neg_()

            ends = [problem.times[index], problem.times[index - 1]]
            steps, progress = integrate(
                derivative, state, ends, solver, groups=[*problem.field.sizes, *sizes], step=step
            )
            step = counted(problem, progress)
            state = steps.y.clone()
        pieces = state[size:].split(sizes)  # type: ignore[no-untyped-call]
        return state[:size], [one.view_as(two) for one, two in zip(pieces, parameters, strict=True)]
