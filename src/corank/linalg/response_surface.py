"""Response surface: a polynomial of a few active variables in place of a function of very many.

Of all functions of `z = V_1^T x`, the conditional mean of c(x) is the nearest (Constantine 2015; Cui et al. 2020,
"Active Subspace of Neural Networks", section 2.1, eq. 2.7), and its mean squared error is at most a constant times
the eigenvalues left out, `lambda_{r+1} + ... + lambda_n` (eq. 2.8). The constant is that of Poincare's inequality for
the density of x: 1 for a standard normal one. A least-squares polynomial stands for the conditional mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.hermite import HermiteBasis
from corank.linalg.least_squares import StreamingLeastSquares
from corank.linalg.rows import check_rows, energy_of
from corank.linalg.whitening import StreamingMoments, Whitening

_ROWS_AT_ONCE = 1024


@final
@dataclass(frozen=True, kw_only=True)
class ResponseSurface:
    """The polynomial g and how far it is from c, on the samples of the fit and on others.

    Attributes:
        order: the total degree of g.
        whitening: of the active variables, before the Hermite basis.
        coefficients: shape (terms,), of the orthonormal Hermite polynomials, float64.
        samples: how many the fit used.
        error: root mean squared error on them, in the unit of c.
        explained: one minus the share of the variance of c that is left in the errors; not a number if c is constant.
        samples_heldout: how many others there were.
        error_heldout: root mean squared error on those; not a number without any.
        explained_heldout: their share of variance explained.
        eigenvalues_left_out: `lambda_{r+1} + ... + lambda_n`, the right side of eq. 2.8 with constant 1, in the
            squared unit of c; not a number if not given.
    """

    order: int
    whitening: Whitening
    coefficients: Tensor
    samples: int
    error: float
    explained: float
    samples_heldout: int
    error_heldout: float
    explained_heldout: float
    eigenvalues_left_out: float

    def evaluate(self, z: Tensor) -> Tensor:
        """The polynomial at active variables of shape (B, r): shape (B,), float64.

        Raises:
            InputError: another shape.
        """
        return _evaluate(z, self.whitening, _basis(self.whitening, self.order), self.coefficients)


@torch.no_grad()
def fit_response_surface(
    z: Tensor,
    values: Tensor,
    order: int,
    *,
    z_heldout: Tensor | None = None,
    values_heldout: Tensor | None = None,
    eigenvalues_left_out: float = math.nan,
) -> ResponseSurface:
    """The polynomial of total degree up to `order` with the smallest mean squared error.

    Args:
        z: active variables, shape (m, r).
        values: c at these samples, shape (m,).
        order: total degree p, at least 0; C(r + p, p) coefficients are fitted, and five times as many samples are
            advisable.
        z_heldout: shape (m', r), samples that the fit does not see.
        values_heldout: shape (m',).
        eigenvalues_left_out: the sum of the eigenvalues of `E[grad c grad c^T]` beyond the r-th, to be kept beside.

    Raises:
        InputError: shapes that do not fit, numbers that are not finite, fewer samples than coefficients.

    Example:
        >>> x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> active = x @ torch.tensor([[1.0], [-1.0]], dtype=torch.float64) / 2**0.5
        >>> surface = fit_response_surface(active, x[:, 0] - x[:, 1] - 1, order=1)
        >>> surface.error < 1e-9, surface.evaluate(torch.zeros(1, 1)).round(decimals=6)
        (True, tensor([-1.], dtype=torch.float64))
    """
    z, values = _checked(z, values, "")
    basis = HermiteBasis(z.shape[1], order)
    if len(z) < basis.terms:
        raise InputError(
            f"order {order} in {z.shape[1]} variables needs {basis.terms} samples, got {len(z)}: lower the order"
        )
    whitening = StreamingMoments(z.shape[1], device=z.device).update(z).whitening()
    least_squares = StreamingLeastSquares(basis.terms, 1, device=z.device)
    for points, targets in zip(torch.split(z, _ROWS_AT_ONCE), torch.split(values, _ROWS_AT_ONCE), strict=True):
        least_squares.update(basis.evaluate(whitening.whiten(points)), targets[:, None])
    coefficients = least_squares.solve()[:, 0]
    error, explained = _errors(_evaluate(z, whitening, basis, coefficients), values)
    error_heldout = explained_heldout = math.nan
    if (z_heldout is None) != (values_heldout is None):
        raise InputError("z_heldout and values_heldout must be given together, got one of them")
    if z_heldout is not None and values_heldout is not None:
        z_heldout, values_heldout = _checked(z_heldout, values_heldout, "held-out ")
        if z_heldout.shape[1] != z.shape[1]:
            raise InputError(f"held-out z must have {z.shape[1]} variables, got {z_heldout.shape[1]}")
        fitted = _evaluate(z_heldout, whitening, basis, coefficients)
        error_heldout, explained_heldout = _errors(fitted, values_heldout)
    return ResponseSurface(
        order=order,
        whitening=whitening,
        coefficients=coefficients,
        samples=len(z),
        error=error,
        explained=explained,
        samples_heldout=0 if z_heldout is None else len(z_heldout),
        error_heldout=error_heldout,
        explained_heldout=explained_heldout,
        eigenvalues_left_out=eigenvalues_left_out,
    )


def _basis(whitening: Whitening, order: int) -> HermiteBasis:
    return HermiteBasis(len(whitening.mean), order)


def _evaluate(z: Tensor, whitening: Whitening, basis: HermiteBasis, coefficients: Tensor) -> Tensor:
    pieces = torch.split(z.to(coefficients.device, torch.float64), _ROWS_AT_ONCE)
    return torch.cat([basis.evaluate(whitening.whiten(points)) @ coefficients for points in pieces])


def _checked(z: Tensor, values: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Both in float64, after a look at shapes and numbers."""
    if z.ndim != 2 or 0 in z.shape:
        raise InputError(f"{kind}z must have shape (samples, variables), both at least 1, got {tuple(z.shape)}")
    if values.shape != (len(z),):
        raise InputError(f"{kind}values must have shape ({len(z)},), one a row of z, got {tuple(values.shape)}")
    energy_of(check_rows(z, z.shape[1], f"{kind}z"), f"{kind}z")
    energy_of(check_rows(values[:, None], 1, f"{kind}values"), f"{kind}values")
    return z.detach().to(torch.float64), values.detach().to(z.device, torch.float64)


def _errors(fitted: Tensor, values: Tensor) -> tuple[float, float]:
    """Root mean squared error, and the share of the variance that is not in it."""
    squared = float((fitted - values).square().mean())
    variance = float(values.var(correction=0))
    return math.sqrt(squared), 1 - squared / variance if variance > 0 else math.nan
