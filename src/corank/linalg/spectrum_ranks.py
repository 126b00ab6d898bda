"""How many singular values count: those above the optimal hard threshold, or those that hold a share of the energy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.marchenko_pastur import marchenko_pastur_quantiles

_ROUNDING = 1e-12  # of the energy: sums of squares and what is left of their differences are no more exact


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """The squared singular values of an (L x M) matrix, L <= M.

    Attributes:
        squares: those known, descending, float64; what is rounding beside the largest is 0.
        residual: the sum of those not known.
        shorter, longer: L and M.
    """

    squares: Tensor
    residual: float
    shorter: int
    longer: int

    @property
    def energy(self) -> float:
        """The sum of all squares."""
        return float(self.squares.sum()) + self.residual

    @property
    def rank(self) -> int:
        """How many of the known ones are not zero."""
        return int((self.squares > 0).sum())

    @property
    def ends_in_a_step(self) -> bool:
        """Whether the least that is not zero is a thousand times what rounding could be."""
        clear = (1e3 * _rounding(self.longer)) ** 2
        return self.rank == 0 or float(self.squares[self.rank - 1]) > clear * float(self.squares[0])


def spectrum_of(singular_values: Tensor, rows: int, columns: int, energy: float | None) -> Spectrum:
    """A checked spectrum.

    Args:
        singular_values: the leading ones, descending, shape (K,), K <= L.
        rows: of the matrix.
        columns: of the matrix.
        energy: the sum of all squares, the square of the matrix's Frobenius norm; needed where K < L.

    Raises:
        InputError: values that are not finite, not negative and descending, more than the matrix has, fewer without the
            energy, or an energy below theirs.
    """
    values = singular_values.detach().to("cpu", torch.float64)
    shorter, longer = sorted((rows, columns))
    if values.ndim != 1 or shorter < 1 or not 1 <= len(values) <= shorter:
        raise InputError(
            f"a matrix of {rows} x {columns} has 1 to {shorter} singular values, got shape {tuple(values.shape)}"
        )
    if not torch.isfinite(values).all() or float(values[-1]) < 0 or (values.diff() > 0).any():
        raise InputError("singular values must be finite, not negative and descending: sort them first")
    squares = values.square()
    squares[values <= _rounding(longer) * values[0]] = 0
    known = float(squares.sum())
    if energy is None and len(values) < shorter:
        raise InputError(f"{len(values)} of {shorter} singular values need the energy of all: give energy=")
    if energy is not None and not (math.isfinite(energy) and energy >= known * (1 - 1e-6)):
        raise InputError(f"energy must be at least the sum of the squares that are known, {known:.6g}, got {energy}")
    residual = 0.0 if energy is None or len(values) == shorter else energy - known
    if residual <= _ROUNDING * known:
        residual = 0.0
    return Spectrum(squares=squares, residual=residual, shorter=shorter, longer=longer)


def _rounding(longer: int) -> float:
    """Of a singular value beside the largest, in float64."""
    return longer * torch.finfo(torch.float64).eps


def gavish_donoho_rank(singular_values: Tensor, rows: int, columns: int, *, energy: float | None = None) -> int:
    """How many singular values exceed the optimal hard threshold for noise of unknown variance.

    In a large matrix of few components plus noise, keeping what exceeds `lambda(beta) sqrt(M) sigma` loses least,
    `lambda^2 = 2 (beta + 1) + 8 beta / (beta + 1 + sqrt(beta^2 + 14 beta + 1))`, beta = L / M; sigma comes from the
    median singular value, which noise is taken to have made (Gavish and Donoho 2014, "The optimal hard threshold for
    singular values is 4/sqrt(3)", eqs. 10-12). Where less than half of the singular values are known, sigma comes from
    the energy of those that are not, taken as the lower part of the same law of Marchenko and Pastur.

    Args:
        singular_values: the leading ones, descending.
        rows: of the matrix.
        columns: of the matrix.
        energy: the sum of all squares; needed where some are not known.

    Example:
        >>> noise = torch.randn(100, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> noise[0] += 10
        >>> gavish_donoho_rank(torch.linalg.svdvals(noise), 100, 400)
        1
    """
    spectrum = spectrum_of(singular_values, rows, columns, energy)
    known, of_all = len(spectrum.squares), spectrum.shorter
    beta = of_all / spectrum.longer
    if known > of_all // 2:
        middle = spectrum.squares[(of_all - 1) // 2 : of_all // 2 + 1].sqrt().mean().square()
        variance = float(middle / marchenko_pastur_quantiles(torch.tensor([0.5]), beta))
    else:
        shares = (torch.arange(of_all - known, dtype=torch.float64) + 0.5) / of_all
        variance = spectrum.residual / float(marchenko_pastur_quantiles(shares, beta).sum())
    factor = 2 * (beta + 1) + 8 * beta / (beta + 1 + math.sqrt(beta**2 + 14 * beta + 1))
    return int((spectrum.squares > factor * variance).sum())


def rank_by_energy(singular_values: Tensor, energy_total: float, share: float) -> int | None:
    """The least number of leading singular values whose squares hold a share of the energy.

    Args:
        singular_values: the leading ones, descending.
        energy_total: the sum of all squares.
        share: above 0, at most 1; reached up to a relative 1e-12.

    Returns:
        the number, or None where more are needed than are known.

    Example:
        >>> rank_by_energy(torch.tensor([3.0, 1.0]), 11.0, 0.9), rank_by_energy(torch.tensor([3.0, 1.0]), 11.0, 0.99)
        (2, None)
    """
    if not 0 < share <= 1:
        raise InputError(f"share must be above 0 and at most 1, got {share}")
    count = len(singular_values)
    spectrum = spectrum_of(singular_values, count + 1, count + 1, energy_total)
    if energy_total == 0:
        raise InputError("energy_total must be positive, got 0: every number of the matrix is zero")
    reached = (spectrum.squares.cumsum(0) >= share * (1 - _ROUNDING) * energy_total).nonzero()
    return int(reached[0]) + 1 if len(reached) else None
