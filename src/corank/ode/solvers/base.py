"""What every solver is: a scheme, and how its steps are chosen."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from corank.errors import InputError
from corank.ode.tableau import Tableau


@dataclass(frozen=True, kw_only=True)
class Solver(ABC):
    """A Runge-Kutta scheme with its steps."""

    @property
    @abstractmethod
    def tableau(self) -> Tableau:
        """The coefficients."""


@dataclass(frozen=True, kw_only=True)
class StepControl:
    """From the error of a step to the size of the next one (Hairer, Norsett and Wanner I, sections II.4 and IV.2).

    The factor is `safety` * error^(-1/k + 3/4 `memory`) * previous error^`memory`, with k the order of the error
    estimate plus one; memory 0 is the elementary control, 0.4 / k its proportional-integral form.

    Attributes:
        safety: how much of the step that the estimate allows is taken.
        smallest_factor: by which a step shrinks at most.
        largest_factor: by which it grows at most.
        memory: the power of the previous step's error.
    """

    safety: float = 0.9
    smallest_factor: float = 0.2
    largest_factor: float = 10.0
    memory: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.safety < 1:
            raise InputError(f"safety must be between 0 and 1, got {self.safety}")
        if not 0 < self.smallest_factor < 1 < self.largest_factor:
            raise InputError(
                "factors of a step must be between 0 and 1 for the smallest and above 1 for the largest, got "
                f"{self.smallest_factor} and {self.largest_factor}"
            )
        if not 0 <= self.memory < 1:
            raise InputError(f"memory must be at least 0 and below 1, got {self.memory}")

    def factor(self, error: float, previous: float, order: int) -> float:
        """What the step is multiplied with after one of this relative error; an error above 1 was rejected."""
        if not math.isfinite(error):
            return self.smallest_factor
        if error == 0:
            return self.largest_factor
        raw: float = self.safety * error ** (0.75 * self.memory - 1 / (order + 1)) * max(previous, 1e-4) ** self.memory
        largest = self.largest_factor if error <= 1 else 1.0
        return min(largest, max(self.smallest_factor, raw))


@dataclass(frozen=True, kw_only=True)
class AdaptiveSolver(Solver):
    """A scheme with an embedded one, whose difference chooses the steps.

    Attributes:
        rtol: relative tolerance, of every entry of the state.
        atol: absolute tolerance; a step's error is divided by `atol` + `rtol` * the larger of the state's sizes at its
            two ends, entry by entry, and the root mean square of the quotients must be at most 1. Of a tuple of
            tensors the largest of their root mean squares counts.
        first_step: the size of the first step; None lets the field's size and curvature choose it.
        min_step: a step that would have to be smaller ends the solution; 0 stands for what float64 resolves.
        max_step: no step is larger.
        max_steps: after as many attempts the solution ends.
        control: how the next step's size follows from the error.
    """

    rtol: float = 1e-7
    atol: float = 1e-9
    first_step: float | None = None
    min_step: float = 0.0
    max_step: float = math.inf
    max_steps: int = 100_000
    control: StepControl = field(default_factory=StepControl)

    def __post_init__(self) -> None:
        if not (self.rtol >= 0 and self.atol >= 0 and self.rtol + self.atol > 0):
            raise InputError(f"rtol and atol must be at least 0 and not both 0, got {self.rtol} and {self.atol}")
        if self.first_step is not None and not 0 < self.first_step < math.inf:
            raise InputError(f"first_step must be positive, got {self.first_step}")
        if not 0 <= self.min_step <= self.max_step or not self.max_step > 0:
            raise InputError(
                f"min_step and max_step must be at least 0 and in this order, got {self.min_step} and {self.max_step}"
            )
        if self.max_steps < 1:
            raise InputError(f"max_steps must be at least 1, got {self.max_steps}")


@dataclass(frozen=True, kw_only=True)
class FixedSolver(Solver):
    """A scheme whose steps are given; they end at every one of the given times.

    Attributes:
        steps: equal steps between two consecutive times; with neither `steps` nor `step_size` one step.
        step_size: instead of `steps`, the largest size of the equal steps between two consecutive times.
    """

    steps: int | None = None
    step_size: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.step_size is not None:
            raise InputError(f"give steps or step_size, got both: {self.steps} and {self.step_size}")
        if self.steps is not None and (self.steps < 1 or self.steps != int(self.steps)):
            raise InputError(f"steps must be a whole number and at least 1, got {self.steps}")
        if self.step_size is not None and not 0 < self.step_size < math.inf:
            raise InputError(f"step_size must be positive, got {self.step_size}")

    def steps_between(self, start: float, end: float) -> int:
        """How many equal steps lead from one time to the next."""
        if start == end:
            return 0
        if self.step_size is None:
            return self.steps or 1
        return max(1, math.ceil(abs(end - start) / self.step_size * (1 - 1e-9)))
