"""Ridge regression in memory whose penalty is the one that predicts a part of the samples best.

One eigendecomposition of the covariance gives the fit for every penalty (Hoerl and Kennard 1970, "Ridge Regression").
With many targets this is much cheaper than to leave out one sample at a time, see `leave_one_out_ridge`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from corank.errors import InputError

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
JUDGING_SHARE = 5  # one sample in so many
LEAST_SAMPLES = 2 * JUDGING_SHARE


@torch.no_grad()
def validated_ridge(x: Tensor, y: Tensor, ridges: tuple[float, ...] = RIDGES) -> tuple[Tensor, Tensor, float]:
    """Minimises `mean |y - intercept - x c|^2 + ridge * (mean variance of x) * |c|^2` for the best of several ridges.

    The last fifth of the samples judges a fit to the others; the fit that is returned is to all of them.

    Args:
        x: `(m, features)`.
        y: `(m, targets)`.
        ridges: candidates, each positive.

    Returns:
        Coefficients `(features, targets)`, intercept `(targets,)`, both float64, and the ridge.

    Raises:
        InputError: fewer than 10 samples, shapes that do not fit, or a ridge that is not positive.

    Example:
        >>> chance = torch.Generator().manual_seed(0)
        >>> x = torch.randn(40, 3, generator=chance, dtype=torch.float64)
        >>> coefficients, intercept, ridge = validated_ridge(x, 2 * x[:, :1] + 1)
        >>> ridge, [abs(round(value, 2)) for value in coefficients.flatten().tolist()], round(float(intercept), 2)
        (0.0001, [2.0, 0.0, 0.0], 1.0)
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise InputError(f"x and y must be (m, features) and (m, targets), got {tuple(x.shape)} and {tuple(y.shape)}")
    if len(x) < LEAST_SAMPLES:
        raise InputError(f"a ridge needs at least {LEAST_SAMPLES} samples, got {len(x)}")
    if not ridges or min(ridges) <= 0:
        raise InputError(f"ridges must be positive, got {ridges}")
    fitting = len(x) - len(x) // JUDGING_SHARE
    fit = _Spectral(x[:fitting], y[:fitting])
    errors = [float((y[fitting:] - fit.predicted(x[fitting:], ridge)).square().sum()) for ridge in ridges]
    best = ridges[errors.index(min(errors))]
    coefficients, intercept = _Spectral(x, y).solved(best)
    return coefficients, intercept, best


class _Spectral:
    """The normal equations in the eigenvectors of the covariance of x."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        x, y = x.double(), y.double()
        self.mean_x, self.mean_y = x.mean(0), y.mean(0)
        about = x - self.mean_x
        self.values, self.vectors = torch.linalg.eigh(about.T @ about / len(x))
        self.cross = self.vectors.T @ (about.T @ (y - self.mean_y) / len(x))
        self.unit = max(float(self.values.clamp(min=0).mean()), 1e-300)

    def solved(self, ridge: float) -> tuple[Tensor, Tensor]:
        shrunk = self.cross / (self.values.clamp(min=0) + ridge * self.unit)[:, None]
        coefficients = self.vectors @ shrunk
        return coefficients, self.mean_y - self.mean_x @ coefficients

    def predicted(self, x: Tensor, ridge: float) -> Tensor:
        coefficients, intercept = self.solved(ridge)
        return x.double() @ coefficients + intercept
