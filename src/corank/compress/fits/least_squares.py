"""Plain least squares with a ridge that only guards against rounding (Cui et al. 2020, eq. 3.12)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from corank.compress.fits.base import Coefficients, Design, Fit
from corank.errors import InputError
from corank.linalg import StreamingLeastSquares

ADVISABLE = 5  # samples a coefficient


@final
@dataclass(frozen=True, kw_only=True)
class LeastSquares(Fit):
    """The coefficients with the smallest mean squared residual.

    With p coefficients and m samples noise adds `p / (m - p - 1)` of its variance to the error: as much again at two
    samples a coefficient, a quarter at five.

    Args:
        ridge: relative to the mean square of a basis function.

    Raises:
        InputError: a ridge that is negative or not finite.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
        >>> found = LeastSquares().coefficients(Design(z, 3 * z + 1, lambda z: torch.cat([z**0, z], 1)))
        >>> found.values.flatten().round(decimals=4), found.chosen
        (tensor([1., 3.], dtype=torch.float64), 'expect overfitting, or lower the rank')
    """

    ridge: float = 1e-8

    def __post_init__(self) -> None:
        if not 0 <= self.ridge < math.inf:
            raise InputError(f"ridge must be at least 0 and finite, got {self.ridge}")

    def coefficients(self, design: Design) -> Coefficients:
        """The coefficients with the smallest mean squared residual; see `Fit.coefficients`."""
        system = StreamingLeastSquares(design.terms, design.outputs, device=design.device)
        for phi, targets in design:
            system.update(phi, targets)
        is_enough = design.samples >= ADVISABLE * design.terms
        return Coefficients(
            values=system.solve(self.ridge),
            samples=design.samples,
            chosen="" if is_enough else "expect overfitting, or lower the rank",
        )
