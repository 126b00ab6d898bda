"""Linear least squares over a stream of samples, by normal equations accumulated in float64.

Only the sums X^T X, X^T Y and ||Y||^2 are kept, so the samples may be as many as one likes, and two
accumulators add up. Used for the coefficients of a polynomial chaos expansion (Cui et al. 2020, "Active
Subspace of Neural Networks", eq. 3.12), where an orthonormal basis on whitened variables keeps X^T X well
conditioned.
"""

from __future__ import annotations

from typing import Self, final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.rows import check_rows, energy_of


@final
class StreamingLeastSquares:
    """Minimises `sum_b |x_b c - y_b|^2` over coefficients c of shape (features, targets).

    Args:
        features: the number of columns of X.
        targets: the number of columns of Y.
        device: where the sums are kept; the default device if not given.

    Raises:
        InputError: features or targets below 1.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
        >>> fit = StreamingLeastSquares(features=2, targets=1).update(x, torch.tensor([[1.0], [3.0], [5.0]]))
        >>> fit.solve().flatten().round(decimals=6)
        tensor([1., 2.], dtype=torch.float64)
        >>> fit.mean_squared_residual(torch.tensor([[1.0], [1.0]]))  # residuals 0, 1, 2
        1.6666666666666667
    """

    def __init__(self, features: int, targets: int, *, device: torch.device | str | None = None) -> None:
        for name, value in (("features", features), ("targets", targets)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        self.features = features
        self.targets = targets
        self.samples = 0
        with torch.inference_mode(False):
            self._gram = torch.zeros(features, features, dtype=torch.float64, device=device)
            self._cross = torch.zeros(features, targets, dtype=torch.float64, device=device)
        self._target_energy = 0.0

    @torch.no_grad()
    def update(self, x: Tensor, y: Tensor) -> Self:
        """Takes in samples: x of shape (B, features), y of shape (B, targets); B may be 0.

        Raises:
            InputError: shapes that do not fit, or a number that is not finite. Nothing is then taken in.
        """
        x = check_rows(x, self.features, "x")
        y = check_rows(y, self.targets, "y")
        if len(x) != len(y):
            raise InputError(f"x and y must have equally many rows, got {len(x)} and {len(y)}")
        energy_of(x, "x")
        self._target_energy += energy_of(y, "y")
        x, y = x.to(self._gram), y.to(self._gram)
        self._gram.addmm_(x.T, x)
        self._cross.addmm_(x.T, y)
        self.samples += len(x)
        return self

    @torch.no_grad()
    def merge(self, other: Self) -> Self:
        """Takes in all samples of another accumulator of the same shape, which stays as it is.

        Raises:
            InputError: another shape.
        """
        if (other.features, other.targets) != (self.features, self.targets):
            raise InputError(
                f"merged fits must agree in features and targets, got ({other.features}, {other.targets}) "
                f"for ({self.features}, {self.targets})"
            )
        self._gram += other._gram.to(self._gram)
        self._cross += other._cross.to(self._cross)
        self._target_energy += other._target_energy
        self.samples += other.samples
        return self

    @torch.no_grad()
    def restricted(self, columns: Tensor) -> StreamingLeastSquares:
        """The same samples with some of the features only: all sub-models cost one pass over the data.

        Args:
            columns: the features that are kept, integers of shape (k,).

        Example:
            >>> fit = StreamingLeastSquares(features=2, targets=1)
            >>> fit.update(torch.tensor([[1.0, 0.0], [1.0, 2.0]]), torch.tensor([[1.0], [3.0]])).samples
            2
            >>> fit.restricted(torch.tensor([0])).solve().item()  # the mean of the targets
            1.9999999998
        """
        small = StreamingLeastSquares(len(columns), self.targets, device=self._gram.device)
        small._gram = self._gram[columns][:, columns]
        small._cross = self._cross[columns]
        small._target_energy, small.samples = self._target_energy, self.samples
        return small

    @torch.no_grad()
    def solve(self, ridge: float = 1e-10) -> Tensor:
        """The coefficients of shape (features, targets), float64.

        `ridge` times the mean of the diagonal of X^T X is added to it, then Cholesky's factorisation is used.
        Where that meets a pivot below rounding (features that depend on each other, and a ridge too small to
        tell them apart), the answer is the one of smallest norm, with directions below rounding left out.

        Args:
            ridge: relative, at least 0.

        Raises:
            InputError: no samples yet, or a negative ridge.
        """
        self._require_samples()
        if not ridge >= 0:
            raise InputError(f"ridge must be at least 0, got {ridge}")
        damped = self._gram.clone()
        damped.diagonal().add_(ridge * self._gram.diagonal().mean())
        factor, failed = torch.linalg.cholesky_ex(damped)
        pivots = factor.diagonal().square()
        # of the factorisation (a feature each) and of the sums over many batches, relative to the largest
        rounding = (self.features + 100) * torch.finfo(torch.float64).eps
        if not failed and bool(pivots.min() > rounding * pivots.max()):
            return torch.cholesky_solve(self._cross, factor)
        values, vectors = torch.linalg.eigh(damped)
        inverse = torch.where(values > rounding * values[-1], 1 / values, 0.0)
        coefficients: Tensor = vectors @ (inverse[:, None] * (vectors.T @ self._cross))
        return coefficients

    @torch.no_grad()
    def mean_squared_residual(self, coefficients: Tensor) -> float:
        """The mean over all samples of `|x c - y|^2`, from the sums alone.

        Exact up to float64's rounding of the mean of |y|^2, below which a residual cannot be told from 0.

        Args:
            coefficients: c of shape (features, targets).

        Raises:
            InputError: another shape, or no samples yet.
        """
        self._require_samples()
        if coefficients.shape != (self.features, self.targets):
            raise InputError(
                f"coefficients must have shape ({self.features}, {self.targets}), got {tuple(coefficients.shape)}"
            )
        c = coefficients.detach().to(self._gram)
        explained = (c * (2 * self._cross - self._gram @ c)).sum()
        return max(0.0, self._target_energy - float(explained)) / self.samples

    def _require_samples(self) -> None:
        if self.samples == 0:
            raise InputError("a least-squares fit needs at least one sample, got 0: update it first")
