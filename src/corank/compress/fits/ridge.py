"""A ridge chosen by leaving out one sample at a time: for few samples a coefficient, or none to spare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch

from corank.compress.fits.base import Coefficients, Design, Fit
from corank.linalg import leave_one_out_ridge


@final
@dataclass(frozen=True, kw_only=True)
class Ridge(Fit):
    """The ridge, of two a decade from 1e-10 to 100, that predicts left-out samples best; the constant is free of it.

    It is relative to the mean variance of a basis function. Works with fewer samples than coefficients too.

    Example:
        >>> z = torch.tensor([[0.0], [1.0], [2.0], [3.0]], dtype=torch.float64)
        >>> found = Ridge().coefficients(Design(z, 3 * z + 1, lambda z: torch.cat([z**0, z], 1)))
        >>> found.values.flatten().round(decimals=4), found.chosen
        (tensor([1., 3.], dtype=torch.float64), 'the ridge 1e-10 predicts left-out samples best')
    """

    def least_samples(self, terms: int) -> int:
        """Two: one can be left out then."""
        return 2

    def coefficients(self, design: Design) -> Coefficients:
        """The coefficients of the best ridge; see `Fit.coefficients`."""
        found = leave_one_out_ridge(design.without_constant())
        return Coefficients(
            values=torch.cat([found.intercept[None], found.coefficients]),
            samples=found.samples,
            chosen=f"the ridge {found.ridge:.2g} predicts left-out samples best",
        )
