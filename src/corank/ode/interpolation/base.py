"""From states that were stored on the way forward to the state at any time between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from corank.ode.buffered import Accepted


class Interpolant(ABC):
    """The trajectory of one interval between two given times."""

    @abstractmethod
    def __call__(self, t: float) -> Tensor:
        """The flat state at a time of the interval."""


class Interpolation(ABC):
    """Which states are stored, and how the trajectory is made of them."""

    needs_steps = False
    """Whether the solver's own steps are stored instead of states at chosen times."""

    @abstractmethod
    def times(self, start: float, end: float) -> list[float]:
        """Where in an interval states are stored, both ends included."""

    @abstractmethod
    def interpolant(self, times: Sequence[float], states: Tensor, steps: Sequence[Accepted]) -> Interpolant:
        """The trajectory from the states at these times, or from the steps with slopes, the end a step of its own."""
