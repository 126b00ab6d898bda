"""Cubics between the solver's own steps, from states and slopes there: no number of nodes to choose."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.ode.buffered import Accepted
from corank.ode.interpolation.base import Interpolant, Interpolation


@final
@dataclass(frozen=True, kw_only=True)
class Hermite(Interpolation):
    """Cubic Hermite interpolation between accepted steps (Hairer, Norsett and Wanner I, equation II.6.7)."""

    needs_steps = True

    def times(self, start: float, end: float) -> list[float]:
        """Nothing but the ends: the solver's steps are kept instead."""
        return [start, end]

    def interpolant(self, times: Sequence[float], states: Tensor, steps: Sequence[Accepted]) -> Interpolant:
        """The cubics between the steps."""
        return _Cubics(steps)


class _Cubics(Interpolant):
    def __init__(self, steps: Sequence[Accepted]) -> None:
        self._steps = steps
        self._sign = 1 if steps[-1].start >= steps[0].start else -1
        self._starts = [self._sign * step.start for step in steps]

    def __call__(self, t: float) -> Tensor:
        right = min(max(bisect_right(self._starts, self._sign * t), 1), len(self._starts) - 1)
        one, two = self._steps[right - 1], self._steps[right]
        assert one.slope is not None
        assert two.slope is not None
        h = two.start - one.start
        s = (t - one.start) / h
        terms = torch.stack([one.state, two.state, one.slope, two.slope])
        shares = [(1 + 2 * s) * (1 - s) ** 2, s * s * (3 - 2 * s), h * s * (1 - s) ** 2, -h * s * s * (1 - s)]
        return torch.mv(terms.T, torch.tensor(shares, dtype=terms.dtype, device=terms.device))
