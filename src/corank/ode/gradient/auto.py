"""The method chosen for the field: interpolation and quadrature where it is smooth, step checkpointing where not.

What is smooth is read off the solution itself: the Chebyshev coefficients of z(t) fall faster than any power of their
degree where the field is smooth, and like the third power where it has kinks (z'' jumps), as with ReLU. There the
adjoint's right-hand side jumps at every kink, its step sizes collapse, and replaying the accepted steps is cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from corank.ode.buffered import Accepted
from corank.ode.chebyshev import coefficient_matrix
from corank.ode.gradient.adjoint_solve import AdjointError, Stored, solved_and_stored
from corank.ode.gradient.base import Adjoint, Problem
from corank.ode.gradient.checkpoint import Checkpoint, replayed
from corank.ode.gradient.quadrature import Quadrature, largest_grid, sampled
from corank.ode.interpolation import Chebyshev
from corank.ode.solvers.base import AdaptiveSolver
from corank.ode.stepping import Progress

_SMOOTH = 4.0  # the power of decay from which on a solution counts as smooth: kinks of the field give 3
_STEEPER = 0.75  # by how much the power of a smooth solution that decays slowly grows from octave to octave
_SEEN = 3.0  # times the tolerance: coefficients below may be the solver's own error
_FEWEST = 8  # degrees that a judgement needs; what is resolved by fewer is smooth enough
_UNRESOLVED = 100.0  # times the tolerance, of the last coefficient


@final
@dataclass(frozen=True, kw_only=True)
class Auto(Adjoint):
    """`Quadrature` for smooth fields, `Checkpoint` for others and for solvers of given steps.

    The accepted states are kept beside the nodes, so that a way back which turns out to be costly is given up for the
    replay. The statistics name the choice.

    Attributes:
        loosening: how much larger the adjoint's tolerance is than the solver's.
        rtol: the adjoint's tolerance itself, instead.
        together: entries of states that the quadrature evaluates in one call; 1 keeps the memory least.
    """

    loosening: float = 3.0
    rtol: float | None = None
    together: int = 1

    def __post_init__(self) -> None:
        _ = self._quadrature

    @property
    def _quadrature(self) -> Quadrature:
        return Quadrature(loosening=self.loosening, rtol=self.rtol, together=self.together)

    def forward(self, problem: Problem) -> tuple[Tensor, Progress, tuple[Sequence[Accepted], Stored | None]]:
        """Solve; keep the accepted steps, and the grids where the solution is smooth."""
        statistics = problem.field.statistics
        if not isinstance(problem.solver, AdaptiveSolver):
            statistics.gradient = "auto: checkpoint"
            statistics.note = "the steps are given"
            values, progress, accepted = Checkpoint().forward(problem)
            return values, progress, (accepted, None)
        grid = Chebyshev(nodes=largest_grid(problem))
        values, progress, stored = solved_and_stored(problem, grid, keep=True)
        reason = next(filter(None, (_reason(states, problem.solver) for _, states in filter(None, stored.grids))), "")
        if reason:
            statistics.gradient, statistics.note, statistics.nodes = "auto: checkpoint", reason, 0
            return values, progress, (stored.steps, None)
        statistics.gradient = "auto: quadrature"
        return values, progress, (stored.steps, self._quadrature.thinned(problem, stored))

    def backward(self, problem: Problem, memory: Any, values: Tensor, gradients: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The chosen method's way back; the replay where it gives up."""
        accepted, stored = memory
        if stored is None:
            return replayed(problem, accepted, gradients)
        try:
            return self._quadrature.swept(problem, stored, gradients, most_steps=5 + 2 * len(accepted))
        except AdjointError as error:
            statistics = problem.field.statistics
            statistics.gradient, statistics.note = "auto: checkpoint", f"gave up quadrature: {error}"
            return replayed(problem, accepted, gradients)


def _reason(states: Tensor, solver: AdaptiveSolver) -> str:
    """Why a solution is not to be interpolated; nothing if it is."""
    some = sampled(states)
    scale = some.abs().amax(0).mul_(solver.rtol).add_(solver.atol)
    matrix = torch.from_numpy(coefficient_matrix(len(some))).to(some)
    sizes = ((matrix @ some) / scale).square().mean(1).sqrt()
    falling = sizes.flip(0).cummax(0).values.flip(0).tolist()
    last = max((degree for degree, size in enumerate(falling) if size > _SEEN), default=0)
    if falling[-1] > _UNRESOLVED:
        return f"{len(states)} nodes do not resolve the solution"
    if last < _FEWEST:
        return ""
    late, early = _power(falling, last // 2, last), _power(falling, last // 4, last // 2)
    return "the solution has kinks" if late < _SMOOTH and late - early < _STEEPER else ""


def _power(falling: Sequence[float], first: int, last: int) -> float:
    """The power of the degree with which coefficients fall between two degrees."""
    return math.log(falling[first] / falling[last]) / math.log(last / first)
