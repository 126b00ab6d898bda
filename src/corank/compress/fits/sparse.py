"""Few coefficients an output by cross-validated orthogonal matching pursuit (Cui et al. 2020, section 3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch

from corank.compress.fits.base import Coefficients, Design, Fit
from corank.errors import InputError
from corank.linalg import cross_validated_pursuit


@final
@dataclass(frozen=True, kw_only=True)
class Sparse(Fit):
    """As many basis functions for each output as predict left-out folds best, at most a quarter of many.

    In a basis made orthonormal on the data the few are combinations of Hermite polynomials, so that the stored
    coefficients of these are not few.

    Args:
        folds: of the cross-validation, at least 2.

    Raises:
        InputError: fewer than two folds.

    Example:
        >>> z = torch.linspace(0, 1, 20, dtype=torch.float64)[:, None]
        >>> found = Sparse().coefficients(Design(z, 3 * z**2 + 1, lambda z: torch.cat([z**0, z, z**2], 1)))
        >>> found.values.flatten().round(decimals=4), found.chosen
        (tensor([1., 0., 3.], dtype=torch.float64), '2 of 3 coefficients are not zero')
    """

    folds: int = 5

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise InputError(f"folds must be at least 2, got {self.folds}")

    def least_samples(self, terms: int) -> int:
        """Two a fold."""
        return 2 * self.folds

    def coefficients(self, design: Design) -> Coefficients:
        """The coefficients of the best numbers of basis functions; see `Fit.coefficients`."""
        found = cross_validated_pursuit(design.without_constant(), self.folds)
        values = torch.cat([found.intercept[None], found.coefficients])
        return Coefficients(
            values=values,
            samples=found.samples,
            chosen=f"{int((values != 0).sum())} of {values.numel()} coefficients are not zero",
        )
