"""The scale-free interpolated adjoint: the adjoint alone as an ODE, the parameters' gradient by quadrature.

As in the interpolated reverse dynamic method the state is interpolated between stored nodes. What is new, step by
step: the adjoint is linear, so it is solved for a(t) / rms(a(t_1)) and scaled back: tolerances are relative to the
gradient and the unit of the loss has no meaning. The parameters' gradient, the integral of a^T df/dtheta, is no part of
the system that chooses the steps; it is a Clenshaw-Curtis sum over Chebyshev nodes, of which there are as many as the
coefficients of a(t) ask for. (The pair of interpolation and quadrature is known from SciMLSensitivity's
QuadratureAdjoint; the scaling is not.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

LARGEST, LARGEST_OF_MANY = 65, 33
"""Nodes that are stored of an interval where their number is not given, of states of few and of many entries; every
second one makes the next smaller grid."""

_FEW = 2**14  # entries of a state
_SMALLEST = 5
_SAMPLE = 2**12  # entries that the choices look at
_TOGETHER = 2**16  # entries of states that are evaluated in one call; beyond it a call is bound by arithmetic


@final
@dataclass(frozen=True, kw_only=True)
class Quadrature(Adjoint):
    """Interpolation, an adjoint solved in its own unit, and quadrature.

    Attributes:
        nodes: states that are stored of an interval, one more than a power of two; None chooses 9, 17, 33 or, of small
            states, 65 by how well every second node predicts the others.
        loosening: how much larger the adjoint's tolerance is than the solver's relative one.
        rtol: the adjoint's tolerance itself, instead; it is relative to the adjoint's root mean square at the end too.
        together: entries of states that are evaluated in one call for the quadrature; 1 is node by node, with the
            least memory.
    """

    nodes: int | None = None
    loosening: float = 3.0
    rtol: float | None = None
    together: int = _TOGETHER

    def __post_init__(self) -> None:
        if self.nodes is not None and (self.nodes < 3 or (self.nodes - 1) & (self.nodes - 2)):
            raise InputError(f"nodes must be one more than a power of two, such as 9, 17 or 33, got {self.nodes}")
        if not 0 < self.loosening < math.inf:
            raise InputError(f"loosening must be positive, got {self.loosening}")
        if self.rtol is not None and not 0 < self.rtol < math.inf:
            raise InputError(f"rtol must be positive, got {self.rtol}")
        if self.together < 1:
            raise InputError(f"together must be at least 1, got {self.together}")

    def forward(self, problem: Problem) -> tuple[Tensor, Progress, Stored]:
        """Solve and store the grids, thinned to what they need."""
        grid = Chebyshev(nodes=self.nodes or largest_grid(problem))
        values, progress, stored = solved_and_stored(problem, grid)
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
        assert isinstance(solver, AdaptiveSolver)
        if most_steps is not None:
            solver = replace(solver, max_steps=min(solver.max_steps, most_steps))
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
                for total, one in zip(totals, path.summed(steps.values, tolerance, self.together), strict=True):
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
        """The integral of a^T df/dtheta over the interval from the adjoints at its nodes, the last node's first."""
        count = _needed(adjoints, 10 * tolerance)
        times = nodes(count, self.times[0], self.times[-1])
        rows = np.stack([barycentric_row(time, self._grid, self._weights) for time in times])
        weights = 0.5 * (self.times[-1] - self.times[0]) * clenshaw_curtis_weights(count)
        self._problem.field.statistics.quadrature_nodes += count
        return parameter_products(
            self._problem.field,
            times,
            lambda part: torch.from_numpy(rows[part]).to(self._states) @ self._states,
            lambda part: torch.from_numpy(weights[part, None] * rows[part, ::-1]).to(adjoints) @ adjoints,
            self._problem.parameters,
            known={0 if end == 0 else count - 1: value for end, value in self._ends.items()},
            together=max(1, together // max(adjoints.shape[1], 1)),
        )


def largest_grid(problem: Problem) -> int:
    """How many nodes are stored of an interval where their number is to be chosen: fewer of each of many."""
    largest = LARGEST if problem.y0.numel() <= _FEW else LARGEST_OF_MANY
    while largest > 9 and (largest - 1) * (len(problem.times) - 1) > 4 * LARGEST:
        largest = (largest + 1) // 2
    return largest


def sampled(states: Tensor) -> Tensor:
    """Some entries of many states, at equal distances: enough to judge a grid by."""
    return states[:, :: max(1, states.shape[1] // _SAMPLE)]


def _needed(adjoints: Tensor, tolerance: float) -> int:
    """One more than the degree above which the adjoint's coefficients are below a tolerance, rounded up to 4 k + 1."""
    some = sampled(adjoints)
    matrix = torch.from_numpy(coefficient_matrix(len(some))).to(some)
    sizes = torch.linalg.vector_norm(matrix @ some, dim=1) / some.shape[1] ** 0.5
    above = torch.nonzero(sizes > tolerance)
    degree = int(above[-1]) if len(above) else 0
    return min(max(_SMALLEST, 4 * math.ceil(degree / 4) + 1), len(adjoints))


def _thinned(
    grid: tuple[list[float], Tensor], solver: AdaptiveSolver, *, is_free: bool
) -> tuple[tuple[list[float], Tensor], float]:
    """A grid at the smallest size whose interpolation misses no more than the tolerance, and its relative error."""
    times, states = grid
    some = sampled(states)
    scale = some.abs().amax(0).mul_(solver.rtol).add_(solver.atol)
    size = max(float(some.square().mean().sqrt()), 1e-300)
    sparse = 9
    while is_free and sparse < len(times):
        every = (len(times) - 1) // (sparse - 1)
        missed = _missed(times, some, every)
        if float((missed / scale).square().mean().sqrt()) <= 1:
            return (times[::every], states[::every].clone()), float(missed.square().mean().sqrt()) / size
        sparse = 2 * sparse - 1
    return grid, _tail(some) / size


def _missed(times: Sequence[float], states: Tensor, every: int) -> Tensor:
    """Which differences the other nodes have from the polynomial through every so-many-th one."""
    coarse = np.array(times[::every])
    weights = barycentric_weights(len(coarse))
    left_out = [index for index in range(len(times)) if index % every]
    rows = np.stack([barycentric_row(times[index], coarse, weights) for index in left_out])
    return torch.from_numpy(rows).to(states) @ states[::every] - states[left_out]


def _tail(states: Tensor) -> float:
    """The size of the last two coefficients of the polynomial through states: what its error is about."""
    matrix = torch.from_numpy(coefficient_matrix(len(states))[-2:]).to(states)
    return float((matrix @ states).square().mean(1).sqrt().sum())
