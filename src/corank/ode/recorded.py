"""Steps under autograd: the loop of `buffered` with every stage in the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from corank.ode.solvers.base import AdaptiveSolver, Solver
from corank.ode.stepping import Steps
from corank.ode.tableau import Tableau

Time = float | Tensor
Derivative = Callable[[Time, Tensor], Tensor]


def combined(y: Tensor, h: Time, weights: Sequence[Time], slopes: Sequence[Tensor]) -> Tensor:
    """Y + h sum_i weights_i slopes_i; with numbers for h and weights autograd has nothing to save."""
    if isinstance(h, Tensor) or any(isinstance(weight, Tensor) for weight in weights):
        total = sum((weight * slope for weight, slope in zip(weights, slopes, strict=True)), torch.zeros_like(y))
        return y + h * total
    for weight, slope in zip(weights, slopes, strict=True):
        if weight != 0:
            y = torch.add(y, slope, alpha=float(h * weight))
    return y


def recorded_step(
    field: Derivative, tableau: Tableau, t: Time, h: Time, y: Tensor, slope: Tensor | None = None, *, whole: bool = True
) -> tuple[Tensor, list[Tensor]]:
    """One step: the state at its end and the stages' derivatives.

    Args:
        field: the derivative of a flat state.
        tableau: the scheme.
        t: the time at its start.
        h: its size.
        y: the state there.
        slope: the derivative there, if it is known.
        whole: whether the last stage is wanted where the next step's first one is the same.
    """
    slopes = [field(t, y) if slope is None else slope]
    state = y
    for node, row in list(zip(tableau.nodes, tableau.matrix, strict=True))[1:]:
        state = combined(y, h, row, slopes)
        if tableau.reuses_last_stage and len(slopes) == tableau.stages - 1 and not whole:
            return state, slopes
        slopes.append(field(t + node * h, state))
    return (state if tableau.reuses_last_stage else combined(y, h, tableau.weights, slopes)), slopes


def dense(tableau: Tableau, y: Tensor, h: Time, share: Time, slopes: Sequence[Tensor]) -> Tensor:
    """The state at a share of a step."""
    assert tableau.dense is not None
    weights = [sum(entry * share ** (k + 1) for k, entry in enumerate(row)) for row in tableau.dense]
    return combined(y, h, weights, slopes)


class RecordedSteps(Steps):
    """The tensors of a solve under autograd.

    Times enter the graph where they require a gradient: a step's ends move with the two given times around them.

    Attributes:
        y: the present state.
        found: the states at the wanted times.
    """

    def __init__(
        self,
        field: Derivative,
        y0: Tensor,
        times: Sequence[float],
        t: Tensor,
        solver: Solver,
        groups: Sequence[int] | None,
    ) -> None:
        self._field, self._solver, self._tableau = field, solver, solver.tableau
        self.y = y0
        self.found: list[Tensor] = []
        self._times, self._t, self._groups = times, t, groups
        self._interval = 0
        self._slope: Tensor | None = None
        self._attempt: tuple[Time, Time, Time, Tensor, list[Tensor]] | None = None

    def _time(self, t: float) -> Time:
        """A time with its place in the graph, if it has one; times come in their order."""
        if not self._t.requires_grad:
            return t
        times, exact = self._times, self._t.to(torch.float64)
        sign = 1 if times[-1] >= times[0] else -1
        inner = [i for i in range(len(times) - 1) if times[i] != times[i + 1] and sign * (t - times[i]) >= 0]
        if not inner:
            return exact[0]
        index = inner[-1]
        share = (t - times[index]) / (times[index + 1] - times[index])
        return exact[index] + share * (exact[index + 1] - exact[index])

    def _first(self, t: float) -> Tensor:
        if self._slope is None:
            self._slope = self._field(self._time(t), self.y)
        return self._slope

    def attempt(self, t: float, end: float) -> float:
        """Compute the step from t to end; its error relative to the tolerance."""
        start, stop = self._time(t), self._time(end)
        h = stop - start
        if isinstance(h, Tensor):
            h = h.to(self.y.dtype)
        y, slopes = recorded_step(self._field, self._tableau, start, h, self.y, self._first(t))
        self._attempt = (start, h, stop, y, slopes)
        if not isinstance(self._solver, AdaptiveSolver):
            return 0.0
        with torch.no_grad():
            weights = self._tableau.error_weights
            assert weights is not None
            error = combined(torch.zeros_like(y), end - t, weights.tolist(), [slope.detach() for slope in slopes])
            scale = torch.maximum(self.y.abs(), y.abs()).mul_(self._solver.rtol).add_(self._solver.atol)
            return _norm(error.div_(scale), self._groups)

    def accept(self) -> None:
        """Make the attempted step's end the present state."""
        assert self._attempt is not None
        _, _, _, self.y, slopes = self._attempt
        self._slope = slopes[-1] if self._tableau.reuses_last_stage else None

    def put(self, first: int, times: Sequence[float]) -> None:
        """Store the states at times within the attempted step."""
        assert self._attempt is not None
        assert first == len(self.found)
        start, h, _, _, slopes = self._attempt
        for index, time in enumerate(times, start=first):
            place: Time = self._t[index].to(torch.float64) if self._t.requires_grad else time
            share = (place - start) / h
            if isinstance(share, Tensor):
                share = share.to(self.y.dtype)
            self.found.append(dense(self._tableau, self.y, h, share, slopes))

    def put_present(self, index: int) -> None:
        """Store the present state as that of a wanted time."""
        assert index == len(self.found)
        state, time = self.y, self._times[index]
        if self._t.requires_grad and self._times.count(time) > 1:  # each of equal times moves the state there
            shift = (self._t[index].to(torch.float64) - self._time(time)).to(state.dtype)
            slope = self._field(time, self.y)
            if index == 0:
                self.y = state - shift * slope
            else:
                state = state + shift * slope
        self.found.append(state)

    @torch.no_grad()
    def first_step(self, t: float, span: float, solver: AdaptiveSolver) -> float:
        """A size for the first step, as without a graph."""
        from corank.ode.buffered import BufferedSteps

        with torch.enable_grad():
            slope = self._first(t)
        quick = BufferedSteps(
            lambda time, y: self._field(time, y), self.y.detach(), 0, solver, slope=slope.detach(), groups=self._groups
        )
        return quick.first_step(t, span, solver)

    @property
    def values(self) -> Tensor:
        """The states at the wanted times, as far as they were reached, then not-a-number."""
        missing = len(self._times) - len(self.found)
        return torch.stack([*self.found, *[torch.full_like(self.y, torch.nan)] * missing])


def _norm(ratios: Tensor, groups: Sequence[int] | None) -> float:
    pieces = ratios.split(list(groups)) if groups is not None else [ratios]  # type: ignore[no-untyped-call]
    return max(
        (float(torch.linalg.vector_norm(piece)) / math.sqrt(max(piece.numel(), 1)) for piece in pieces),
        key=lambda norm: float("inf") if norm != norm else norm,
    )
