"""How many singular values stand out of noise, with nothing to set: analytic variational Bayes matrix factorisation.

An (L x M) matrix, L <= M, is taken as a product of two factors with Gaussian priors plus noise of variance sigma^2; a
component is kept where the free energy of empirical variational Bayes is lower with it. That has a closed form
(Nakajima, Sugiyama, Babacan and Tomioka 2013, "Global analytic solution of fully-observed variational Bayesian matrix
factorization"): with alpha = L / M a singular value g is kept where `x = g^2 / (M sigma^2)` exceeds
`x_ = (1 + t_)(1 + alpha / t_)`, and sigma^2 minimises the sum over all of

    psi(x) = x - log x, and where x > x_ moreover log(1 + t) + alpha log(1 + t / alpha) - t,
    t(x) = (x - 1 - alpha + sqrt((x - 1 - alpha)^2 - 4 alpha)) / 2,

where `t_` is the zero of `f(t) + f(t / alpha)`, `f(t) = log(1 + t) / t - 1 / 2`. The sum has several local minima.
Published code searches sigma^2 itself in one bracket and finds another rank when the matrix is scaled; here it is
scanned on a log scale, each minimum is refined, and the lowest counts, so that the rank does not depend on the scale.

The model presupposes noise of one variance. Where the singular values just decay, the rank says little: see
`VBMF.has_noise_floor`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from corank.linalg.marchenko_pastur import marchenko_pastur_quantiles
from corank.linalg.spectrum_ranks import Spectrum, spectrum_of

_STEP = 0.1  # of the scan of log sigma^2, besides where a singular value passes the threshold
_MISFIT = 0.1  # up to which the noise counts as one of a single variance


@final
@dataclass(frozen=True, kw_only=True)
class VBMF:
    """What analytic variational Bayes finds in a spectrum.

    Attributes:
        rank: components kept: the singular values above `threshold`.
        noise_variance: sigma^2, of an entry of the matrix.
        threshold: the singular value that noise of that variance, and its model, ask of a component.
        misfit: how far the known singular values below the threshold are from those of noise: the share of
            their squares that would have to move for them to follow Marchenko and Pastur's law. Not a number
            where none is known or all are zero.
        has_noise_floor: whether the misfit is at most 0.1. If not, the matrix is no few components plus noise
            of one variance, and the rank depends more on its size than on its structure. Where only zeros follow,
            the rank is exact; this is true where it ends in a clear step, and false where it fades into rounding.
        is_limit: whether all known singular values are kept and there are others, so that more might be.
    """

    rank: int
    noise_variance: float
    threshold: float
    misfit: float
    has_noise_floor: bool
    is_limit: bool


def analytic_vbmf(singular_values: Tensor, rows: int, columns: int, *, energy: float | None = None) -> VBMF:
    """The number of components and the noise variance that empirical variational Bayes finds in a matrix.

    Args:
        singular_values: the leading ones, descending, shape (K,), K <= L. Those not known are taken as noise.
        rows: of the matrix.
        columns: of the matrix.
        energy: the sum of all squared singular values; needed where some are not known.

    Raises:
        InputError: values that are no spectrum of such a matrix.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> factors = [torch.randn(size, 5, generator=generator) for size in (100, 300)]
        >>> matrix = factors[0] @ factors[1].T + torch.randn(100, 300, generator=generator) / 2
        >>> found = analytic_vbmf(torch.linalg.svdvals(matrix), 100, 300)
        >>> found.rank, round(found.noise_variance, 2), found.has_noise_floor
        (5, 0.25, True)
    """
    spectrum = spectrum_of(singular_values, rows, columns, energy)
    aspect = spectrum.shorter / spectrum.longer
    most = min(math.ceil(spectrum.shorter / (1 + aspect)) - 1, len(spectrum.squares))  # more are never kept
    if spectrum.residual == 0 and spectrum.rank <= most:  # no noise: the free energy falls without end
        rank, variance, threshold, misfit = spectrum.rank, 0.0, 0.0, math.nan
        has_noise_floor = spectrum.ends_in_a_step
    else:
        unit = spectrum.energy / (spectrum.shorter * spectrum.longer)
        free_energy = _FreeEnergy(replace(spectrum, squares=spectrum.squares / unit, residual=spectrum.residual / unit))
        rank, relative = free_energy.minimum(most)
        variance = unit * relative
        threshold = math.sqrt(spectrum.longer * variance * free_energy.threshold)
        misfit = _misfit(spectrum, rank, variance)
        has_noise_floor = misfit <= _MISFIT
    return VBMF(
        rank=rank,
        noise_variance=variance,
        threshold=threshold,
        misfit=misfit,
        has_noise_floor=has_noise_floor,
        is_limit=rank == len(spectrum.squares) and spectrum.residual > 0,
    )


class _FreeEnergy:
    """The free energy over M / 2 as a function of `s = log sigma^2`, but for a constant, of a matrix of energy L M.

    Between two of the `s` at which a singular value passes the threshold the number n of those kept is fixed, and
    with the sum E of the other squares the energy is `L s + E / (M sigma^2)` plus a sum over those kept.
    """

    def __init__(self, spectrum: Spectrum) -> None:
        self.squares, self.shorter, self.longer = spectrum.squares, spectrum.shorter, spectrum.longer
        self.aspect = self.shorter / self.longer
        self.threshold = _threshold(self.aspect)
        others = spectrum.squares.flip(0).cumsum(0).flip(0) + spectrum.residual
        self.others: list[float] = [*others.tolist(), spectrum.residual]

    def minimum(self, most: int) -> tuple[int, float]:
        """The components kept and sigma^2 where it is least of all; at most so many are kept."""
        from scipy.optimize import brentq

        lowest = math.log(self.others[most] / (self.longer * (self.shorter - most)))
        passes = (self.squares[self.squares > 0] / (self.longer * self.threshold)).log()
        passes = passes[(passes > lowest) & (passes < 0)]
        scan = torch.linspace(lowest, 0, 2 + int(-lowest / _STEP), dtype=torch.float64)
        nodes = torch.cat([scan, passes]).sort().values.tolist()
        best = (math.inf, 0, 1.0)
        for left, right in pairwise(nodes):
            kept = self.kept((left + right) / 2)
            slopes = self.slope(left, kept), self.slope(right, kept)
            if slopes[0] < 0 < slopes[1]:
                place = brentq(self.slope, left, right, args=(kept,), xtol=1e-13)
            else:
                place = left if slopes[0] >= 0 else right
            best = min(best, (self.value(place, kept), kept, math.exp(place)))
        return best[1], best[2]

    def kept(self, place: float) -> int:
        """How many singular values exceed the threshold."""
        return int((self.squares > self.longer * self.threshold * math.exp(place)).sum())

    def value(self, place: float, kept: int) -> float:
        """The free energy; the difference `x - t` of large numbers is `1 + alpha + alpha / t`."""
        signal, alpha = self._signal(place, kept), self.aspect
        sums = float((1 + alpha + alpha / signal + signal.log1p() + alpha * (signal / alpha).log1p()).sum())
        return self.shorter * place + self.others[kept] / (self.longer * math.exp(place)) + sums

    def slope(self, place: float, kept: int) -> float:
        """Its derivative."""
        sums = float((1 + self.aspect + self.aspect / self._signal(place, kept)).sum())
        return self.shorter - self.others[kept] / (self.longer * math.exp(place)) - sums

    def _signal(self, place: float, kept: int) -> Tensor:
        """The t(x) of those kept."""
        excess = self.squares[:kept] / (self.longer * math.exp(place)) - 1 - self.aspect
        return (excess + (excess.square() - 4 * self.aspect).clamp(min=0).sqrt()) / 2


def _threshold(aspect: float) -> float:
    """The `x_` beyond which a component is kept."""
    from scipy.optimize import brentq

    def gain(signal: float) -> float:
        return math.log1p(signal) / signal + math.log1p(signal / aspect) * aspect / signal - 1

    zero = float(brentq(gain, 1e-3 * math.sqrt(aspect), 1e3, xtol=1e-14))
    return (1 + zero) * (1 + aspect / zero)


def _misfit(spectrum: Spectrum, rank: int, variance: float) -> float:
    """The share of the known noise's squares that would have to move for them to be those of noise of that variance."""
    noise = spectrum.squares[rank:]
    shorter, longer = spectrum.shorter - rank, spectrum.longer - rank
    shares = 1 - (torch.arange(len(noise), dtype=torch.float64) + 0.5) / shorter
    expected = longer * variance * marchenko_pastur_quantiles(shares, shorter / longer)
    return float((noise - expected).abs().sum() / noise.sum()) if len(noise) else math.nan
