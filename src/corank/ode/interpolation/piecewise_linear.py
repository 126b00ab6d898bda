"""Straight lines between states at equal distances (Daulbaev's thesis, Figure 2.7b)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.ode.buffered import Accepted
from corank.ode.interpolation.base import Interpolant, Interpolation


@final
@dataclass(frozen=True, kw_only=True)
class PiecewiseLinear(Interpolation):
    """Linear between the nodes.

    Attributes:
        nodes: states that are stored of an interval, both ends included.
    """

    nodes: int = 17

    def __post_init__(self) -> None:
        if self.nodes < 2:
            raise InputError(f"nodes must be at least 2, got {self.nodes}")

    def times(self, start: float, end: float) -> list[float]:
        """The grid of an interval."""
        last = self.nodes - 1
        return [start + (end - start) * k / last for k in range(last)] + [end]

    def interpolant(self, times: Sequence[float], states: Tensor, steps: Sequence[Accepted]) -> Interpolant:
        """The lines between the states."""
        return _Lines(times, states)


class _Lines(Interpolant):
    def __init__(self, times: Sequence[float], states: Tensor) -> None:
        self._sign = 1 if times[-1] >= times[0] else -1
        self._times, self._states = [self._sign * time for time in times], states

    def __call__(self, t: float) -> Tensor:
        right = min(max(bisect_right(self._times, self._sign * t), 1), len(self._times) - 1)
        start, end = self._times[right - 1], self._times[right]
        return torch.lerp(self._states[right - 1], self._states[right], (self._sign * t - start) / (end - start))
