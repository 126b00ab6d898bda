"""Steps without a graph, as fast as single calls of torch allow: one product for each stage, in one buffer.

The stages are the rows of a buffer; a stage's state is then one matrix-vector product with the leading rows, the
solution at any number of times within a step one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corank.ode.solution import Status
from corank.ode.solvers.base import AdaptiveSolver, Solver
from corank.ode.stepping import Progress, Steps, drive

Derivative = Callable[[float, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """An accepted step that is to be remembered.

    Attributes:
        start: its time.
        end: the time it led to.
        state: the state at its start.
        slope: the derivative there, where it was asked for.
    """

    start: float
    end: float
    state: Tensor
    slope: Tensor | None = None


class BufferedSteps(Steps):
    """The tensors of a solve without graph.

    Attributes:
        y: the present state.
        values: the states at the wanted times.
        accepted: the accepted steps, if they are kept.
        slopes: the stages' derivatives, a row each.
    """

    def __init__(
        self,
        field: Derivative,
        y0: Tensor,
        count: int,
        solver: Solver,
        *,
        slope: Tensor | None = None,
        groups: Sequence[int] | None = None,
        keep: bool = False,
        keep_slopes: bool = False,
    ) -> None:
        self._field, self._tableau, self.y = field, solver.tableau, y0
        self._solver = solver if isinstance(solver, AdaptiveSolver) else None
        self._keep, self._keep_slopes = keep or keep_slopes, keep_slopes
        self.accepted: list[Accepted] = []
        self.values = y0.new_full((count, y0.numel()), torch.nan)
        stages = self._tableau.stages
        self.slopes = y0.new_empty(stages, y0.numel())
        table = [*self._tableau.full_matrix, self._tableau.weights]
        if self._tableau.error_weights is not None:
            table.append(self._tableau.error_weights)
        self._table = torch.tensor([list(row) for row in table], dtype=y0.dtype, device=y0.device)
        self._scaled = torch.empty_like(self._table)
        across = self.slopes.T
        self._stages = [(node, across[:, :i], self._scaled[i, :i]) for i, node in enumerate(self._tableau.nodes)][1:]
        self._across = across
        is_whole = groups is None or (len(groups) == 1 and sum(groups) == y0.numel())
        self._groups = None if is_whole else list(groups or ())
        self._has_slope = slope is not None
        if slope is not None:
            self.slopes[0].copy_(slope)
        self._size = y0.abs() if self._solver is not None else y0
        self._end_state, self._end_size, self._times = y0, self._size, (0.0, 0.0)

    def attempt(self, t: float, end: float) -> float:
        """Compute the step from t to end; its error relative to the tolerance."""
        h = end - t
        self._times = (t, end)
        slopes = self.slopes
        if not self._has_slope:
            slopes[0].copy_(self._field(t, self.y))
            self._has_slope = True
        torch.mul(self._table, h, out=self._scaled)
        y = self.y
        for row, (node, before, weights) in enumerate(self._stages, start=1):
            y = torch.addmv(self.y, before, weights)
            slopes[row].copy_(self._field(end if node == 1 else t + node * h, y))
        if not self._tableau.reuses_last_stage:
            y = torch.addmv(self.y, self._across, self._scaled[self._tableau.stages])
        self._end_state = y
        return 0.0 if self._solver is None else self._error(self._solver)

    def _error(self, solver: AdaptiveSolver) -> float:
        self._end_size = self._end_state.abs()
        scale = torch.maximum(self._size, self._end_size).mul_(solver.rtol).add_(solver.atol)
        return self._norm(torch.mv(self._across, self._scaled[-1]).div_(scale))

    def _norm(self, ratios: Tensor) -> float:
        """The root mean square, or the largest one of the groups; entries after the last group do not count."""
        if self._groups is None:
            return float(torch.linalg.vector_norm(ratios)) / math.sqrt(max(ratios.numel(), 1))
        pieces = ratios[: sum(self._groups)].split(self._groups)  # type: ignore[no-untyped-call]
        norms = [torch.linalg.vector_norm(piece) / math.sqrt(max(piece.numel(), 1)) for piece in pieces]
        return float(torch.stack(norms).max())  # a not-a-number wins

    def accept(self) -> None:
        """Make the attempted step's end the present state."""
        if self._keep:
            slope = self.slopes[0].clone() if self._keep_slopes else None
            self.accepted.append(Accepted(start=self._times[0], end=self._times[1], state=self.y, slope=slope))
        self.y, self._size = self._end_state, self._end_size
        self._has_slope = self._tableau.reuses_last_stage
        if self._has_slope:
            self.slopes[0].copy_(self.slopes[-1])

    def put(self, first: int, times: Sequence[float]) -> None:
        """Store the states at times within the attempted step."""
        t, end = self._times
        h = end - t
        shares = torch.tensor([(time - t) / h for time in times], dtype=torch.float64).numpy()
        weights = torch.as_tensor(h * self._tableau.dense_weights(shares)).to(self.y)
        torch.addmm(self.y.expand(len(times), -1), weights, self.slopes, out=self.values[first : first + len(times)])

    def put_present(self, index: int) -> None:
        """Store the present state as that of a wanted time."""
        self.values[index].copy_(self.y)

    def first_step(self, t: float, span: float, solver: AdaptiveSolver) -> float:
        """Hairer, Norsett and Wanner I, section II.4, within the span."""
        if not self._has_slope:
            self.slopes[0].copy_(self._field(t, self.y))
            self._has_slope = True
        slope = self.slopes[0]
        scale = self._size * solver.rtol + solver.atol
        state_size, slope_size = self._norm(self.y / scale), self._norm(slope / scale)
        guess = 1e-6 if min(state_size, slope_size) < 1e-5 else 0.01 * state_size / slope_size
        if not 0 < guess < float("inf"):  # also where it is no number
            return float("nan")
        guess = min(guess, abs(span))
        h = guess if span >= 0 else -guess
        curvature = self._norm((self._field(t + h, self.y + h * slope) - slope) / scale) / guess
        largest = max(slope_size, curvature)
        if largest <= 1e-15:
            return min(max(1e-6, guess * 1e-3), abs(span))
        if not largest < float("inf"):
            return guess
        return min(100 * guess, math.pow(0.01 / largest, 1 / (solver.tableau.embedded_order + 1)), abs(span))

    @property
    def last_slope(self) -> Tensor | None:
        """The derivative at the present state, where the scheme has it for nothing."""
        return self.slopes[0] if self._has_slope else None


@torch.no_grad()
def integrate(
    field: Derivative,
    y0: Tensor,
    times: Sequence[float],
    solver: Solver,
    *,
    slope: Tensor | None = None,
    step: float | None = None,
    groups: Sequence[int] | None = None,
    keep: bool = False,
    keep_slopes: bool = False,
) -> tuple[BufferedSteps, Progress]:
    """Solve without a graph.

    Args:
        field: the derivative of a flat state.
        y0: the flat state at the first time.
        times: where states are wanted.
        solver: scheme and steps.
        slope: the derivative at the first time, if it is known.
        step: the size of the first step, if it is known.
        groups: sizes of the parts of the state of which each has its own root mean square in the error; entries
            beyond their sum do not count.
        keep: whether to remember the accepted steps.
        keep_slopes: whether to remember their derivatives as well.
    """
    steps = BufferedSteps(
        field, y0.detach(), len(times), solver, slope=slope, groups=groups, keep=keep, keep_slopes=keep_slopes
    )
    progress = drive(steps, times, solver, step)
    if progress.status is Status.DONE and not bool(torch.isfinite(steps.values[-1]).all()):
        progress.status, progress.message = Status.NOT_FINITE, "the solution is not finite at the last time"
    return steps, progress
