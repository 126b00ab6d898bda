"""Rows that raise the smallest singular value of the chosen ones: "GappyPOD+E".

A further row v adds `v^T v` to the Gram matrix `G = V_S^T V_S`. With the two smallest eigenvalues `l_2 >= l_1` of G,
the eigenvector w of l_1, and the gap `g = l_2 - l_1`, l_1 rises by at least
`(g + |v|^2 - sqrt((g + |v|^2)^2 - 4 g (w v)^2)) / 2`, and the row with the largest such bound is next (Peherstorfer,
Drmac and Gugercin 2020, "Stability of discrete empirical interpolation and gappy proper orthogonal decomposition with
randomized and deterministic sampling points", section 4 and Algorithm 1).
"""

from __future__ import annotations

import torch
from torch import Tensor

_FULL = 64  # columns up to which LAPACK is faster than Lanczos' method with the inverse
_KRYLOV, _RESIDUAL = 40, 1e-6  # a residual of 1e-6 means eigenvalues to 1e-12


def gappy_pod_e_rows(basis: Tensor, first: Tensor, count: int) -> Tensor:
    """The first rows and those whose bound on the smallest eigenvalue is largest, one after another.

    Args:
        basis: V, shape (D, R), float64, with orthonormal columns.
        first: R rows to start from, independent.
        count: P, how many rows altogether.

    Returns:
        shape (P,), in the order of choice.

    Example:
        >>> basis = torch.tensor([[0.9, 0.0], [0.0, 0.4], [0.6, 0.0], [0.0, 0.3]], dtype=torch.float64)
        >>> gappy_pod_e_rows(basis, torch.tensor([0, 1]), 3)
        tensor([0, 1, 3])
    """
    squares = basis.square().sum(1)
    inverse = torch.linalg.inv(basis[first].T @ basis[first])
    chosen = torch.cat([first, first.new_empty(count - len(first))])
    for place in range(len(first), count):
        gap, weakest = _weakest_direction(inverse)
        along = (basis @ weakest).square()
        total = squares + gap
        # the bound over 2 g, without its difference of like numbers; it ranks the rows where the gap is nothing as well
        bound = along / (total + (total.square() - 4 * gap * along).clamp(min=0).sqrt())
        bound.nan_to_num_(0)[chosen[:place]] = -torch.inf
        chosen[place] = bound.argmax()
        row = basis[chosen[place]]
        product = inverse @ row
        inverse.addr_(product, product, alpha=-1 / (1 + float(row @ product)))  # Sherman and Morrison
    return chosen


def _weakest_direction(inverse: Tensor) -> tuple[float, Tensor]:
    """The gap of the two smallest eigenvalues of a matrix and the eigenvector of the smallest, from its inverse."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    rank = len(inverse)
    if rank == 1:
        return 1 / float(inverse), inverse.new_ones(1)
    if rank <= _FULL:
        values, vectors = torch.linalg.eigh(inverse)
        return float(1 / values[-2] - 1 / values[-1]), vectors[:, -1]
    start = torch.randn(rank, generator=torch.Generator().manual_seed(0), dtype=inverse.dtype)  # the same every time
    apply = LinearOperator(inverse.shape, inverse.numpy().dot, dtype=float)
    found, columns = eigsh(apply, k=2, which="LA", v0=start.numpy(), ncv=_KRYLOV, tol=_RESIDUAL)
    second, least = found.argsort()
    return float(1 / found[second] - 1 / found[least]), torch.from_numpy(columns[:, least].copy())
