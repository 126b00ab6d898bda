"""The spectrum of centred rows from a sketch of the rows as they are.

With the mean row mu of m rows, `(A - 1 mu^T)^T (A - 1 mu^T) = A^T A - m mu mu^T`: a downdate of rank one. In the
basis of the right vectors, with the part of mu outside them as one more, it is a small symmetric matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor

from corank.errors import InputError


@torch.no_grad()
def centred(singular_values: Tensor, right_vectors: Tensor, mean: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Singular values and right vectors of the rows minus their mean.

    Exact, up to rounding, where the sketch is (rank at most its size). Where it is not, the eigenvalues differ from
    those of the centred rows by at most what the sketch's differ from A^T A in norm, because all eigenvalues follow a
    change of the matrix (Weyl); those that the downdate makes negative are left out.

    Args:
        singular_values: of A or of its sketch, shape (k,).
        right_vectors: orthonormal rows, shape (k, n).
        mean: of the rows of A, shape (n,).
        rows: m, how many there are.

    Returns:
        singular values of shape (j,), descending, float64, j <= k, and orthonormal rows of shape (j, n) in the
        dtype of `right_vectors`.

    Raises:
        InputError: shapes that do not fit, or fewer than one row.

    Example:
        >>> a = torch.tensor([[5.0, 1.0], [5.0, -1.0]], dtype=torch.float64)
        >>> _, values, vectors = torch.linalg.svd(a)
        >>> of_centred = centred(values, vectors, mean=a.mean(0), rows=2)
        >>> of_centred[0], of_centred[1].abs().round(decimals=6)
        (tensor([1.4142], dtype=torch.float64), tensor([[0., 1.]], dtype=torch.float64))
    """
    known = len(singular_values)
    if right_vectors.ndim != 2 or singular_values.shape != (len(right_vectors),):
        raise InputError(
            f"singular_values (k,) and right_vectors (k, n) must fit, got {tuple(singular_values.shape)} and "
            f"{tuple(right_vectors.shape)}"
        )
    if mean.shape != right_vectors.shape[1:]:
        raise InputError(f"mean must have shape ({right_vectors.shape[1]},), got {tuple(mean.shape)}")
    if rows < 1:
        raise InputError(f"rows must be at least 1, got {rows}")
    values, basis, centre = (tensor.to(torch.float64) for tensor in (singular_values, right_vectors, mean))
    rounding = torch.finfo(right_vectors.dtype).eps * (known + 1)
    within = basis @ centre
    outside = centre - within @ basis
    outside = outside - (basis @ outside) @ basis  # twice, for what rounding left
    length = torch.linalg.vector_norm(outside)
    if length <= rounding * torch.linalg.vector_norm(centre):  # then it is nothing but that, and has no direction
        length, outside = torch.zeros_like(length), torch.zeros_like(outside)
    axes = torch.cat([basis, outside[None] / torch.where(length > 0, length, 1.0)])
    small = torch.zeros(known + 1, known + 1, dtype=torch.float64, device=values.device)
    small.diagonal()[:known] = values.square()
    step = torch.cat([within, length[None]])
    squares, turns = torch.linalg.eigh(small - rows * torch.outer(step, step))
    squares, turns = squares.flip(0), turns.flip(1)
    eps = torch.finfo(right_vectors.dtype).eps
    least = (
        eps * (known + 16) * values.square().amax() if known else 0.0
    )  # a difference of two that are off by some eps
    left = min(known, int((squares > least).sum()))
    return squares[:left].sqrt(), (turns[:, :left].T @ axes).to(right_vectors.dtype)
