"""The scale-free interpolated adjoint: the adjoint alone as an ODE, the parameters' gradient by quadrature.

As in the interpolated reverse dynamic method the state is interpolated between stored nodes. What is new, step by
step: the adjoint is linear, so it is solved for a(t) / rms(a(t_1)) and scaled back: tolerances are relative to the
gradient and the unit of the loss has no meaning. The parameters' gradient, the integral of a^T df/dtheta, is no part of
the system that chooses the steps; it is a Clenshaw-Curtis sum over Chebyshev nodes, of which there are as many as the
coefficients of a(t) ask for. (The pair of interpolation and quadrature is known from SciMLSensitivity's
QuadratureAdjoint; the scaling is not.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from corank.errors import InputError
from corank.ode.buffered import integrate
from corank.ode.chebyshev import (
    barycentric_row,
    barycentric_weights,
    clenshaw_curtis_weights,
    coefficient_matrix,
    nodes,
)
from corank.ode.gradient.adjoint_solve import Stored, adjoint_solver, counted, solved_and_stored
from corank.ode.gradient.base import Adjoint, Problem
from corank.ode.interpolation import Chebyshev
from corank.ode.solvers.base import AdaptiveSolver
from corank.ode.stacked import parameter_products
from corank.ode.stepping import Progress

LARGEST = 33
"""Nodes that are stored of an interval where their number is not given; every second one makes the next smaller grid."""

_TOGETHER = 2**16  # entries of the states that are evaluated in one call; beyond it a call is bound by arithmetic


@final
@dataclass(frozen=True, kw_only=True)
class Quadrature(Adjoint):
    """Interpolation, an adjoint solved in its own unit, and quadrature.

    Attributes:
        nodes: states that are stored of an interval, one more than a power of two; None chooses 9, 17 or 33 by how
            well every second node predicts the others.
        loosening: how much larger the adjoint's tolerance is than the solver's relative one.
        rtol: the adjoint's tolerance itself, instead; it is relative to the adjoint's root mean square at the end too.
        together: entries of states that are evaluated in one call for the quadrature; 1 is node by node, with the
            least memory.
    """

    nodes: int | None = None
    loosening: float = 10.0
    rtol: float | None = None
    together: int = _TOGETHER

    def __post_init__(self) -> None:
        if self.nodes is not None and (self.nodes < 3 or (self.nodes - 1) & (self.nodes - 2)):
            raise InputError(f"nodes must be one more than a power of two, such as 9, 17 or 33, got {self.nodes}")
        if self.loosening <= 0:
            raise InputError(f"loosening must be positive, got {self.loosening}")
        if self.rtol is not None and self.rtol <= 0:
            raise InputError(f"rtol must be positive, got {self.rtol}")
        if self.together < 1:
            raise InputError(f"together must be at least 1, got {self.together}")

    def forward(self, problem: Problem) -> tuple[Tensor, Progress, Stored]:
        """Solve and store the grids, thinned to what they need."""
        largest = self.nodes or LARGEST
        values, progress, stored = solved_and_stored(problem, Chebyshev(nodes=largest))
        return values, progress, self.thinned(problem, stored)

    def thinned(self, problem: Problem, stored: Stored) -> Stored:
        """Every grid at the smallest size that the tolerance allows, with its error in the statistics."""
        assert isinstance(problem.solver, AdaptiveSolver)
        errors, grids = [0.0], []
        for grid in stored.grids:
            if grid is not None:
                grid, error = _thinned(grid, problem.solver, is_free=self.nodes is None)
                errors.append(error)
            grids.append(grid)
        statistics = problem.field.statistics
        statistics.nodes = sum(len(grid[0]) for grid in grids if grid is not None)
        statistics.interpolation_error = max(errors)
        return Stored(steps=[], grids=grids, step=stored.step)

    def backward(self, problem: Problem, memory: Any, values: Tensor, gradients: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Solve the adjoint and add up the quadrature, interval by interval."""
        return self.swept(problem, memory, gradients)

    def swept(
        self, problem: Problem, stored: Stored, gradients: Tensor, most_steps: int | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """The same; with a limit on the adjoint's steps."""
        assert isinstance(problem.solver, AdaptiveSolver)
        tolerance = self.rtol or self.loosening * max(problem.solver.rtol, torch.finfo(gradients.dtype).eps)
        solver = adjoint_solver(problem.solver, None, tolerance, tolerance)
        totals = [torch.zeros_like(parameter) for parameter in problem.parameters]
        adjoint, step = torch.zeros_like(gradients[0]), stored.step
        for grid, gradient in zip(reversed(stored.grids), reversed(gradients[1:].unbind()), strict=True):
            adjoint = adjoint + gradient
            unit = float(torch.linalg.vector_norm(adjoint)) / max(adjoint.numel(), 1) ** 0.5
            if grid is None or unit == 0:
                continue
            path = _Path(problem, *grid)
            steps, progress = integrate(
                path.derivative, adjoint / unit, path.times[::-1], solver, groups=problem.groups, step=step
            )
            step = counted(problem, progress)
            adjoint = steps.y * unit
            if problem.parameters:
                for total, one in zip(totals, path.summed(steps.values.flip(0), tolerance, self.together), strict=True):
                    total.add_(one, alpha=unit)
        return adjoint, totals


class _Path:
    """One interval: the trajectory through its nodes, the adjoint's derivative along it, the quadrature over it."""

    def __init__(self, problem: Problem, times: list[float], states: Tensor) -> None:
        self._problem, self.times, self._states = problem, times, states
        self._grid, self._weights = np.array(times), barycentric_weights(len(times))
        self._columns = states.T
        self._ends: dict[int, tuple[Tensor, ...]] = {}

    def derivative(self, t: float, adjoint: Tensor) -> Tensor:
        row = barycentric_row(t, self._grid, self._weights)
        state = torch.mv(self._columns, torch.from_numpy(row).to(self._states))
        found, in_state, _ = self._problem.field.products(t, state, adjoint, ())
        if t == self.times[0]:
            self._ends[0] = found
        elif t == self.times[-1]:
            self._ends[-1] = found
        return in_state.neg_()

    def summed(self, adjoints: Tensor, tolerance: float, together: int) -> list[Tensor]:
        """The integral of a^T df/dtheta over the interval, its orientation included."""
        count = len(self.times)
        needed = _needed(adjoints, 10 * tolerance)
        every = (count - 1) // (needed - 1)
        picked = slice(0, count, every)
        half = 0.5 * (self.times[-1] - self.times[0])
        weights = torch.from_numpy(half * clenshaw_curtis_weights(needed)).to(adjoints)
        self._problem.field.statistics.quadrature_nodes += needed
        known = {(0 if end == 0 else needed - 1): [one.detach() for one in value] for end, value in self._ends.items()}
        return parameter_products(
            self._problem.field,
            self.times[picked],
            self._states[picked],
            weights[:, None] * adjoints[picked],
            self._problem.parameters,
            known=known,
            together=max(1, together // max(adjoints.shape[1], 1)),
        )


def _needed(adjoints: Tensor, tolerance: float) -> int:
    """The size of the smallest grid above the degree where the adjoint's coefficients fall below a tolerance."""
    count = len(adjoints)
    matrix = torch.from_numpy(coefficient_matrix(count)).to(adjoints)
    sizes = torch.linalg.vector_norm(matrix @ adjoints, dim=1) / adjoints.shape[1] ** 0.5
    above = torch.nonzero(sizes > tolerance)
    degree = int(above[-1]) if len(above) else 0
    needed = 9 if count >= 9 else count
    while needed <= degree and needed < count:
        needed = 2 * needed - 1
    return needed


def _thinned(
    grid: tuple[list[float], Tensor], solver: AdaptiveSolver, *, is_free: bool
) -> tuple[tuple[list[float], Tensor], float]:
    """A grid at the smallest size whose interpolation misses no more than the tolerance, and its relative error."""
    times, states = grid
    scale = states.abs().amax(0).mul_(solver.rtol).add_(solver.atol)
    size = float(torch.linalg.vector_norm(states)) / max(states.numel(), 1) ** 0.5
    error = _tail(states, torch.full_like(scale, max(size, 1e-300)))
    sparse = 9
    while is_free and sparse < len(times):
        every = (len(times) - 1) // (sparse - 1)
        missed = _missed(times, states, every)
        if float((missed / scale).square().mean().sqrt()) <= 1:
            relative = float(missed.square().mean().sqrt()) / max(size, 1e-300)
            return (times[::every], states[::every].clone()), relative
        sparse = 2 * sparse - 1
    return grid, error


def _missed(times: Sequence[float], states: Tensor, every: int) -> Tensor:
    """Which differences the other nodes have from the polynomial through every so-many-th one."""
    coarse = np.array(times[::every])
    weights = barycentric_weights(len(coarse))
    left_out = [index for index in range(len(times)) if index % every]
    rows = np.stack([barycentric_row(times[index], coarse, weights) for index in left_out])
    return torch.from_numpy(rows).to(states) @ states[::every] - states[left_out]


def _tail(states: Tensor, scale: Tensor) -> float:
    """The size of the last two coefficients of the polynomial through states: what its error is about."""
    matrix = torch.from_numpy(coefficient_matrix(len(states))[-2:]).to(states)
    return float(((matrix @ states) / scale).square().mean(1).sqrt().sum())
