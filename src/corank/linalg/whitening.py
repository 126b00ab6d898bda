"""Mean and covariance over a stream, and the affine map that makes both standard.

Batches are merged by the pairwise formula of Chan, Golub and LeVeque 1983 ("Algorithms for computing the
sample variance"), which stays accurate where the mean is large against the spread. Whitened variables are
what an orthonormal Hermite basis expects (Cui et al. 2020, "Active Subspace of Neural Networks", sec. 3.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.rows import check_rows, energy_of


@final
@dataclass(frozen=True)
class Whitening:
    """The affine map `w = (z - mean) transform`.

    Attributes:
        mean: shape (r,), float64.
        transform: shape (r, r), float64, symmetric; the whitening nearest to the identity in the variables'
            own units, so it follows their order.
    """

    mean: Tensor
    transform: Tensor

    def whiten(self, z: Tensor) -> Tensor:
        """The whitened points, of the shape (B, r) and in the dtype of z; differentiable in z.

        Raises:
            InputError: another shape.

        Example:
            >>> z = torch.tensor([[0.0, 5.0], [4.0, 5.0]])
            >>> StreamingMoments(features=2).update(z).whitening().whiten(z)
            tensor([[-1.,  0.],
                    [ 1.,  0.]])
        """
        check_rows(z, len(self.mean), "points")
        mean, transform = self.mean.to(z.device), self.transform.to(z.device)
        return ((z.to(torch.float64) - mean) @ transform).to(z.dtype)


@final
class StreamingMoments:
    """Mean and covariance of points that arrive in batches.

    Args:
        features: the number of variables (r).
        device: where the sums are kept; the default device if not given.

    Raises:
        InputError: features below 1.

    Example:
        >>> moments = StreamingMoments(features=1).update(torch.tensor([[1.0], [2.0]]))
        >>> moments.update(torch.tensor([[6.0]])).mean, moments.covariance
        (tensor([3.], dtype=torch.float64), tensor([[4.6667]], dtype=torch.float64))
    """

    def __init__(self, features: int, *, device: torch.device | str | None = None) -> None:
        if features < 1:
            raise InputError(f"features must be at least 1, got {features}")
        self.features = features
        self.samples = 0
        self._mean = torch.zeros(features, dtype=torch.float64, device=device)
        self._scatter = torch.zeros(features, features, dtype=torch.float64, device=device)

    @property
    def mean(self) -> Tensor:
        """The mean of shape (features,), float64.

        Raises:
            InputError: no samples yet.
        """
        self._require_samples()
        return self._mean.clone()

    @property
    def covariance(self) -> Tensor:
        """The mean of `(z - mean)^T (z - mean)`, shape (features, features), float64: over m, not m - 1.

        Raises:
            InputError: no samples yet.
        """
        self._require_samples()
        return self._scatter / self.samples

    @torch.no_grad()
    def update(self, z: Tensor) -> Self:
        """Takes in points of shape (B, features); B may be 0.

        Raises:
            InputError: another shape, or a number that is not finite. Nothing is then taken in.
        """
        z = check_rows(z, self.features, "points")
        energy_of(z, "points")
        if len(z):
            points = z.to(self._mean)
            mean = points.mean(0)
            centred = points - mean
            self._add(len(z), mean, centred.T @ centred)
        return self

    @torch.no_grad()
    def merge(self, other: Self) -> Self:
        """Takes in all points of another accumulator, which stays as it is.

        Raises:
            InputError: another number of variables.
        """
        if other.features != self.features:
            raise InputError(f"merged moments must have {self.features} features, got {other.features}")
        if other.samples:
            self._add(other.samples, other._mean.to(self._mean), other._scatter.to(self._scatter))
        return self

    @torch.no_grad()
    def whitening(self, rtol: float = 1e-10) -> Whitening:
        """The map that gives the points seen zero mean and unit covariance.

        Directions whose variance is at most `rtol` times the largest (constant or dependent variables) are
        centred and keep unit scale, so that a point off the data is not blown up along them.

        Args:
            rtol: at least 0; relative to the largest variance of any direction.

        Raises:
            InputError: no samples yet, or a negative rtol.
        """
        if not rtol >= 0:
            raise InputError(f"rtol must be at least 0, got {rtol}")
        variances, directions = torch.linalg.eigh(self.covariance)
        varies = (variances > rtol * variances[-1]) & (variances > 0)
        scales = torch.where(varies, variances, 1.0).rsqrt()
        return Whitening(self.mean, (directions * scales) @ directions.T)

    def _add(self, samples: int, mean: Tensor, scatter: Tensor) -> None:
        total = self.samples + samples
        step = mean - self._mean
        self._scatter = self._scatter + scatter + torch.outer(step, step) * (self.samples * samples / total)
        self._mean = self._mean + step * (samples / total)
        self.samples = total

    def _require_samples(self) -> None:
        if self.samples == 0:
            raise InputError("moments need at least one sample, got 0: update them first")
