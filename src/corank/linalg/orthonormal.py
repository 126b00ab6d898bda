"""Gram-Schmidt from a Gram matrix: functions made orthonormal on data, each a combination of itself and earlier ones.

For variables that are not normal the Hermite polynomials are not orthonormal; the ones that are on the data follow from
the moments alone, by Cholesky's factorisation of the empirical Gram matrix (Cui et al. 2020, "Active Subspace of
Neural Networks", section 3.5, after eq. 3.11: the basis belongs to the density of z).
"""

from __future__ import annotations

import torch
from torch import Tensor

from corank.errors import InputError

_BLOCK = 64  # columns that are brought up to date by one matrix product


@torch.no_grad()
def orthonormal_transform(gram: Tensor, rtol: float = 1e-10) -> Tensor:
    """The matrix A for which the functions `phi A` are orthonormal where `phi` have that Gram matrix.

    Column j is a combination of the functions kept up to the j-th of them, with a positive factor of the last one, so
    that an order by degree stays one. Functions that depend on earlier ones are left out.

    Args:
        gram: `E[phi^T phi]`, shape (terms, terms), positive semidefinite.
        rtol: a function is left out if its part orthogonal to the earlier ones has at most this share of its own
            mean square; at least the rounding of the Gram matrix.

    Returns:
        shape (terms, kept), float64.

    Raises:
        InputError: no square matrix, a number that is not finite, or only zeros.

    Example:
        >>> x = torch.linspace(-1, 1, 10001, dtype=torch.float64)
        >>> phi = torch.stack([x**0, x, x**2], 1)
        >>> orthonormal_transform(phi.T @ phi / len(x))[[0, 2], 2]  # nearly Legendre's sqrt(5) (3 x^2 - 1) / 2
        tensor([-1.1180,  3.3534], dtype=torch.float64)
    """
    if gram.ndim != 2 or len(gram) != gram.shape[1]:
        raise InputError(f"a Gram matrix must be square, got shape {tuple(gram.shape)}")
    if not bool(torch.isfinite(gram).all()):
        raise InputError("a Gram matrix must be finite, got a number that is not: look at the samples")
    scales = gram.to(torch.float64).diagonal().clamp(min=0).sqrt()
    if not scales.any():
        raise InputError(f"a Gram matrix must not be all zeros, got {tuple(gram.shape)} zeros")
    scales = torch.where(scales > 0, scales, 1.0)
    scaled = gram.to(torch.float64) / torch.outer(scales, scales)
    factor, kept = _factor(scaled, max(rtol, len(gram) * torch.finfo(torch.float64).eps))  # G = L L^T, A = L^-T
    identity = torch.eye(len(kept), dtype=torch.float64, device=gram.device)
    transform = torch.zeros(len(gram), len(kept), dtype=torch.float64, device=gram.device)
    transform[kept] = torch.linalg.solve_triangular(factor[kept], identity, upper=False).T
    orthonormal: Tensor = transform / scales[:, None]
    return orthonormal


def _factor(scaled: Tensor, least: float) -> tuple[Tensor, list[int]]:
    """Cholesky's factor (terms, kept), without the columns whose pivot is at most `least`, and the indices kept."""
    factor = torch.zeros_like(scaled)
    kept: list[int] = []
    for start in range(0, len(scaled), _BLOCK):
        columns = slice(start, min(start + _BLOCK, len(scaled)))
        done = factor[:, : len(kept)]
        block = scaled[:, columns] - done @ done[columns].T
        for index in range(start, columns.stop):
            here = index - start
            if float(block[index, here]) <= least:
                continue
            column = block[:, here] / block[index, here].sqrt()
            factor[:, len(kept)] = column
            kept.append(index)
            block[:, here + 1 :] -= torch.outer(column, column[index + 1 : columns.stop])
    return factor[:, : len(kept)], kept
