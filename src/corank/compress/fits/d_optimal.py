"""A fit to few samples that are chosen to determine the coefficients best (Cui et al. 2020, section 3.5).

Greedy D-optimal samples have large leverage: they lie far out, where a polynomial fits worst. Weighted by the inverse
of their leverage they speak for the others again (Cohen and Migliorati 2017, "Optimal weighted least-squares
methods": with that weight the Gram matrix of points drawn by leverage is the identity on average).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch

from corank.compress.fits.base import Coefficients, Design, Fit
from corank.errors import InputError
from corank.linalg import StreamingLeastSquares, d_optimal_rows, orthonormal_transform

MOST_VALUES = 2**28  # float64 numbers, 2 GiB, of which a few copies are made


@final
@dataclass(frozen=True, kw_only=True)
class DOptimal(Fit):
    """Weighted least squares on the samples that a greedy choice finds best.

    Functions that depend on others on the data get the coefficient zero.

    Args:
        share: samples a coefficient, at least 1; the paper asks for 2.
        ridge: relative to the mean square of a basis function.

    Raises:
        InputError: a share below 1 or a ridge that is negative, or either not finite; when fitted, a design too
            large for memory.

    Example:
        >>> z = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
        >>> found = DOptimal().coefficients(Design(z, 3 * z + 1, lambda z: torch.cat([z**0, z], 1)))
        >>> found.values.flatten().round(decimals=4), found.samples, found.chosen
        (tensor([1., 3.], dtype=torch.float64), 4, 'chosen among 9 for the determinant')
    """

    share: float = 2.0
    ridge: float = 1e-8

    def __post_init__(self) -> None:
        if not 1 <= self.share < math.inf:
            raise InputError(f"share must be at least 1 and finite, got {self.share}")
        if not 0 <= self.ridge < math.inf:
            raise InputError(f"ridge must be at least 0 and finite, got {self.ridge}")

    def coefficients(self, design: Design) -> Coefficients:
        """The coefficients from the chosen samples; see `Fit.coefficients`."""
        if design.samples * design.terms > MOST_VALUES:
            raise InputError(
                f"a choice among {design.samples} samples of {design.terms} basis functions must hold at most "
                f"{MOST_VALUES:,} values, got {design.samples * design.terms:,}: lower the rank or the order"
            )
        phi, targets = (torch.cat(parts) for parts in zip(*design, strict=True))
        transform = orthonormal_transform(phi.T @ phi / len(phi))
        rows = phi @ transform
        chosen = d_optimal_rows(rows, min(len(rows), math.ceil(self.share * rows.shape[1])))
        weights = rows[chosen].square().sum(1, keepdim=True).rsqrt()
        system = StreamingLeastSquares(rows.shape[1], design.outputs, device=rows.device)
        system.update(weights * rows[chosen], weights * targets[chosen])
        return Coefficients(
            values=transform @ system.solve(self.ridge),
            samples=len(chosen),
            chosen=f"chosen among {len(rows)} for the determinant",
        )
