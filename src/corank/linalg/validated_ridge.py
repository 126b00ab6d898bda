"""Ridge regression in memory whose penalty is the one that predicts a part of the samples best.

One eigendecomposition of the covariance gives the fit for every penalty (Hoerl and Kennard 1970, "Ridge Regression"),
and covariances alone its error on further samples. With many targets this is much cheaper than to leave out one sample
at a time, see `leave_one_out_ridge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corank.errors import InputError

_LEAST = 1e-300
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
    x, y = x.double(), y.double()
    fitted, judged = _Moments.of(x[:fitting], y[:fitting]), _Moments.of(x[fitting:], y[fitting:])
    errors = _errors(fitted, judged, ridges)
    best = ridges[errors.index(min(errors))]
    every = fitted.with_further(judged)
    penalty = best * max(float(every.inputs.trace()) / len(every.inputs), _LEAST)
    factor = torch.linalg.cholesky(
        every.inputs + penalty * torch.eye(len(every.inputs), dtype=x.dtype, device=x.device)
    )
    coefficients = torch.cholesky_solve(every.cross, factor)
    return coefficients, every.mean_y - every.mean_x @ coefficients, best


@dataclass(frozen=True, kw_only=True, eq=False)
class _Moments:
    """Means, and covariances about them, of some samples: of the inputs, and of inputs and targets."""

    count: int
    mean_x: Tensor
    mean_y: Tensor
    inputs: Tensor
    cross: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> _Moments:
        mean_x, mean_y = x.mean(0), y.mean(0)
        about = x - mean_x
        return cls(
            count=len(x), mean_x=mean_x, mean_y=mean_y, inputs=about.T @ about / len(x),
            cross=about.T @ (y - mean_y) / len(x),
        )  # fmt: skip

    def with_further(self, other: _Moments) -> _Moments:
        """Of these samples and others together."""
        count = self.count + other.count
        own, theirs = self.count / count, other.count / count
        apart_x, apart_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        return _Moments(
            count=count,
            mean_x=self.mean_x + theirs * apart_x,
            mean_y=self.mean_y + theirs * apart_y,
            inputs=own * self.inputs + theirs * other.inputs + own * theirs * torch.outer(apart_x, apart_x),
            cross=own * self.cross + theirs * other.cross + own * theirs * torch.outer(apart_x, apart_y),
        )


def _errors(fitted: _Moments, judged: _Moments, ridges: Sequence[float]) -> list[float]:
    """The mean squared errors on some samples of fits to others, but for what all ridges have in common.

    With the fit `c = Q d Q^T cross`, diagonal d, the error `|y - x c|^2` needs the samples only in their moments, and
    these in the eigenvectors Q only once: `d` is all that depends on the ridge.
    """
    apart_x, apart_y = judged.mean_x - fitted.mean_x, judged.mean_y - fitted.mean_y
    inputs = judged.inputs + torch.outer(apart_x, apart_x)
    cross = judged.cross + torch.outer(apart_x, apart_y)
    values, vectors = torch.linalg.eigh(fitted.inputs)
    values = values.clamp(min=0)
    unit = max(float(values.mean()), _LEAST)
    targets = vectors.T @ fitted.cross
    linear = (targets * (vectors.T @ cross)).sum(1)
    square = (vectors.T @ inputs @ vectors) * (targets @ targets.T)
    found = []
    for ridge in ridges:
        shrunk = 1 / (values + ridge * unit)
        found.append(float(shrunk @ square @ shrunk - 2 * shrunk @ linear))
    return found
