"""Ridge regression whose penalty is chosen by leaving out one sample at a time, exactly and at the cost of two passes.

One eigendecomposition of the covariance gives the fit for every penalty; a second pass gives the leverage h of each
sample, and with it the error that the fit without this sample would make there, `residual / (1 - h)` (Hoerl and Kennard
1970, "Ridge Regression"; Golub, Heath and Wahba 1979, "Generalized Cross-Validation", section 1). The intercept is
free. For the coefficients of a polynomial chaos (Cui et al. 2020, "Active Subspace of Neural Networks", eq. 3.12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.fold_moments import Samples, fold_moments

RIDGES = tuple(10.0 ** (power / 2) for power in range(-20, 5))  # two a decade from 1e-10 to 100
_LEAST_FREE = 1e-9  # of 1 - h, below which a residual and what it is divided by are rounding alone


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RidgeFit:
    """The fit `y = intercept + x coefficients` with the penalty that predicts best.

    Attributes:
        coefficients: shape (features, targets), float64.
        intercept: shape (targets,), float64.
        ridge: the penalty chosen, relative to the mean variance of a feature.
        ridges: all that were tried.
        errors: for each the mean over the samples of `|y - prediction without that sample|^2`; infinite where
            a fit runs through a sample whatever its value.
        samples: how many there were.
    """

    coefficients: Tensor
    intercept: Tensor
    ridge: float
    ridges: tuple[float, ...]
    errors: Tensor
    samples: int


@torch.no_grad()
def leave_one_out_ridge(samples: Samples, ridges: tuple[float, ...] = RIDGES) -> RidgeFit:
    """Minimises `mean |y - intercept - x c|^2 + ridge * (mean variance of x) * |c|^2` for the best of several ridges.

    Args:
        samples: batches x (B, features) and y (B, targets), the same ones each of the two times.
        ridges: candidates, each positive.

    Raises:
        InputError: fewer than two samples, a ridge that is not positive, shapes or numbers that are wrong, or
            features that are all constant.

    Example:
        >>> chance = torch.Generator().manual_seed(0)
        >>> x = torch.randn(40, 3, generator=chance, dtype=torch.float64)
        >>> found = leave_one_out_ridge([(x, 2 * x[:, :1] + 1)])
        >>> found.ridge, found.coefficients[0], found.intercept
        (1e-10, tensor([2.0000], dtype=torch.float64), tensor([1.0000], dtype=torch.float64))
    """
    wrong = [ridge for ridge in ridges if not 0 < ridge < float("inf")]
    if wrong or not ridges:
        raise InputError(f"ridges must be positive and finite numbers, got {wrong[0] if wrong else 'none'}")
    features, (moments,) = fold_moments(samples, 1)
    count, covariance, mean = moments.samples, moments.covariance, moments.mean
    values, vectors = torch.linalg.eigh(covariance[:features, :features])
    unit = float(values.clamp(min=0).mean())
    if not unit > 0:
        raise InputError(f"the {features} features must vary, got constant ones: fit the mean")
    shifts = torch.tensor(ridges, dtype=torch.float64, device=values.device) * unit
    inverses = 1 / (values.clamp(min=0)[:, None] + shifts)  # (features, ridges)
    cross = vectors.T @ covariance[:features, features:]
    paths = torch.einsum("fr,ft->frt", inverses, cross)  # the coefficients in the eigenvectors, for every ridge
    errors = torch.zeros_like(shifts)
    for x, y in samples:
        turned = (x.to(mean) - mean[:features]) @ vectors
        free = 1 - 1 / count - turned.square() @ inverses / count
        residuals = (y.to(mean) - mean[features:])[:, None] - torch.einsum("bf,frt->brt", turned, paths)
        squares = residuals.square().sum(2) / free.square()
        errors += torch.where(free > _LEAST_FREE, squares, torch.inf).sum(0)
    best = int(errors.argmin())
    coefficients = vectors @ paths[:, best]
    return RidgeFit(
        coefficients=coefficients,
        intercept=mean[features:] - mean[:features] @ coefficients,
        ridge=ridges[best],
        ridges=ridges,
        errors=errors / count,
        samples=count,
    )
