"""How the step size changes in the course of a training: callables from progress in `[0, 1]` to a factor.

The factor multiplies each parameter group's own rate. Progress is that of the middle of a step, `(step + 1/2)
/ steps`, so that neither the first nor the last step is wasted on a factor of zero. One cycle follows Smith &
Topin 2019, "Super-Convergence", section 3; the cosine follows Loshchilov & Hutter 2017, "SGDR", eq. 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from corank.errors import InputError


@final
@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same step size throughout.

    Example:
        >>> Constant()(0.5)
        1.0
    """

    def __call__(self, progress: float) -> float:
        """The factor at `progress` in `[0, 1]`."""
        return 1.0


@final
@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine from 1 down to 0, after a linear rise from 0.

    Args:
        warm_up: share of the training that the rise takes, in `[0, 1)`.

    Raises:
        InputError: a share outside of `[0, 1)`.

    Example:
        >>> [round(Cosine(warm_up=0.2)(progress), 3) for progress in (0.1, 0.2, 0.6, 1.0)]
        [0.5, 1.0, 0.5, 0.0]
    """

    warm_up: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up < 1:
            raise InputError(f"warm_up must be at least 0 and below 1, got {self.warm_up}")

    def __call__(self, progress: float) -> float:
        """The factor at `progress` in `[0, 1]`."""
        if progress < self.warm_up:
            return progress / self.warm_up
        return _between(1.0, 0.0, (progress - self.warm_up) / (1 - self.warm_up))


@final
@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """Half a cosine up from `start` to 1 and another one down to `end`.

    Args:
        peak_at: share of the training at which the factor is 1, strictly between 0 and 1.
        start: the first factor, in `(0, 1]`.
        end: the last factor, in `[0, 1]`.

    Raises:
        InputError: a value outside of its range.

    Example:
        >>> [round(OneCycle(start=0.2, end=0.0)(progress), 3) for progress in (0.0, 0.15, 0.3, 0.65, 1.0)]
        [0.2, 0.6, 1.0, 0.5, 0.0]
    """

    peak_at: float = 0.3
    start: float = 0.04
    end: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 < self.peak_at < 1:
            raise InputError(f"peak_at must be strictly between 0 and 1, got {self.peak_at}")
        if not 0 < self.start <= 1:
            raise InputError(f"start must be above 0 and at most 1, got {self.start}")
        if not 0 <= self.end <= 1:
            raise InputError(f"end must be between 0 and 1, got {self.end}")

    def __call__(self, progress: float) -> float:
        """The factor at `progress` in `[0, 1]`."""
        if progress < self.peak_at:
            return _between(self.start, 1.0, progress / self.peak_at)
        return _between(1.0, self.end, (progress - self.peak_at) / (1 - self.peak_at))


@final
@dataclass(frozen=True, kw_only=True)
class Triangle:
    """Straight up from 0 to 1 and straight down to 0 again: one period of Smith 2017's cyclic rates.

    Args:
        peak_at: share of the training at which the factor is 1, strictly between 0 and 1.

    Raises:
        InputError: a share outside of its range.

    Example:
        >>> [round(Triangle(peak_at=0.4)(progress), 3) for progress in (0.0, 0.2, 0.4, 0.7, 1.0)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    peak_at: float = 0.4

    def __post_init__(self) -> None:
        if not 0 < self.peak_at < 1:
            raise InputError(f"peak_at must be strictly between 0 and 1, got {self.peak_at}")

    def __call__(self, progress: float) -> float:
        """The factor at `progress` in `[0, 1]`."""
        return progress / self.peak_at if progress < self.peak_at else (1 - progress) / (1 - self.peak_at)


@final
@dataclass(frozen=True, kw_only=True)
class Steps:
    """The step size times `factor` at each of some moments.

    Args:
        at: shares of the training after which the rate drops, ascending, strictly between 0 and 1.
        factor: what the rate is multiplied with at each of them, in `(0, 1]`.

    Raises:
        InputError: moments that do not ascend within `(0, 1)`, or a factor outside of `(0, 1]`.

    Example:
        >>> [Steps(at=(0.5, 0.75), factor=0.5)(progress) for progress in (0.2, 0.5, 0.8)]
        [1.0, 0.5, 0.25]
    """

    at: tuple[float, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        bounded = (0.0, *self.at, 1.0)
        if not all(low < high for low, high in pairwise(bounded)):
            raise InputError(f"the moments `at` must ascend strictly between 0 and 1, got {self.at}")
        if not 0 < self.factor <= 1:
            raise InputError(f"factor must be above 0 and at most 1, got {self.factor}")

    def __call__(self, progress: float) -> float:
        """The factor at `progress` in `[0, 1]`."""
        return float(self.factor ** sum(progress >= moment for moment in self.at))


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
