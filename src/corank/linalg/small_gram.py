"""Factors of a short, wide matrix S (k x n, k much smaller than n) through its small Gram matrix S S^T.

If S S^T = U diag(lambda) U^T, the right singular vectors are lambda_i^(-1/2) (U^T S)_i. All work on S goes
over pieces of its columns, so that no second array of its size is made; eigenvalues are formed in float64.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_COLUMNS = 2048  # a piece of 200 float32 rows, 1.6 MB, stays near the core: measured best of 512 to 16384


def column_pieces(features: int) -> Iterator[slice]:
    """Slices that cover `features` columns.

    Example:
        >>> list(column_pieces(3000))
        [slice(0, 2048, None), slice(2048, 3000, None)]
    """
    return (slice(start, min(start + _COLUMNS, features)) for start in range(0, features, _COLUMNS))


def descending_eigenpairs(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (not negative, descending) and eigenvectors (columns) of a small symmetric matrix.

    Computed on the CPU, where a few hundred columns are faster than on an accelerator, and handed back to
    the device of `gram`.

    Example:
        >>> descending_eigenpairs(torch.diag(torch.tensor([1.0, 4.0])))[0]
        tensor([4., 1.])
    """
    values, vectors = torch.linalg.eigh(gram.cpu())
    return values.flip(0).clamp(min=0).to(gram.device), vectors.flip(1).to(gram.device)


def leading_factors(rows: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Leading singular values (float64) and right vectors of a short, wide matrix.

    Args:
        rows: S of shape (k, n); not changed.
        limit: at most so many are returned; fewer where the numerical rank is lower. Rank counts singular
            values above `k eps` of the largest (eps of the dtype of `rows`), and in any case above the
            `sqrt(k eps)` (float64) that a Gram matrix can tell from nothing.

    Returns:
        values of shape (r,), descending, and orthonormal rows of shape (r, n) in the dtype of `rows`.

    Example:
        >>> values, vectors = leading_factors(torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 2.0]]), limit=2)
        >>> values, vectors.abs()
        (tensor([3., 2.], dtype=torch.float64), tensor([[1., 0., 0.],
                [0., 0., 1.]]))
    """
    held, features = rows.shape
    values, vectors = descending_eigenpairs(_gram(rows))
    rounding = held * torch.finfo(torch.float64).eps
    floor = max((held * torch.finfo(rows.dtype).eps) ** 2, rounding)
    rank = min(limit, int((values > floor * values[:1]).sum()))
    values, vectors = values[:rank], vectors[:, :rank]
    right = rows.new_empty(rank, features)
    _multiply((vectors / values.sqrt()).T, rows, out=right)
    # Row i is off by eps lambda_1 / lambda_i; one Gram-Schmidt pass, leading rows first, mends that.
    factor = torch.linalg.cholesky(_gram(right))
    identity = torch.eye(rank, dtype=torch.float64, device=rows.device)
    _multiply(torch.linalg.solve_triangular(factor, identity, upper=False), right, out=right)
    return values.sqrt(), right


def _gram(rows: Tensor) -> Tensor:
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for columns in column_pieces(rows.shape[1]):
        piece = rows[:, columns].to(torch.float64)
        gram.addmm_(piece, piece.T)
    return gram


def _multiply(matrix: Tensor, rows: Tensor, out: Tensor) -> None:
    """`out = matrix @ rows` in float64, a piece of columns at a time; `out` may be `rows`."""
    for columns in column_pieces(rows.shape[1]):
        out[:, columns] = matrix @ rows[:, columns].to(torch.float64)
