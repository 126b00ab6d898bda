"""D-optimal rows: the samples of a design matrix that determine its coefficients best, chosen greedily.

They should maximise the determinant of `X_S^T X_S`, the inverse volume of the coefficients' confidence ellipsoid (Cui
et al. 2020, "Active Subspace of Neural Networks", section 3.5). The first n rows are the pivots of a QR factorisation
of the transpose, each the row with the largest part orthogonal to those before; every further one is the row of largest
leverage, which multiplies the determinant most (Mikhalev and Oseledets 2018, "Rectangular maximum-volume submatrices
and their applications").
"""

from __future__ import annotations

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.rows import check_rows, energy_of


@torch.no_grad()
def d_optimal_rows(matrix: Tensor, count: int) -> Tensor:
    """The indices of rows, in the order in which they were chosen, each at most once.

    Args:
        matrix: shape (m, n) of rank n.
        count: how many rows, from n to m.

    Returns:
        shape (count,), whole numbers.

    Raises:
        InputError: another count, a rank below n, or numbers that are not finite.

    Example:
        >>> d_optimal_rows(torch.tensor([[1.0, -0.1], [1.0, 0.0], [1.0, 2.0], [1.0, -1.0]]), 2).tolist()
        [2, 3]
    """
    from scipy.linalg import qr

    if matrix.ndim != 2 or not 1 <= matrix.shape[1] <= count <= len(matrix):
        raise InputError(
            f"a design of shape {tuple(matrix.shape)} needs a count of rows from its columns to its rows, got {count}"
        )
    energy_of(check_rows(matrix, matrix.shape[1], "the design"), "the design")
    features = matrix.shape[1]
    triangle, pivots = qr(matrix.detach().cpu().to(torch.float64).numpy().T, mode="r", pivoting=True)
    heights = torch.from_numpy(triangle).diagonal().abs()
    rank = int((heights > len(matrix) * torch.finfo(torch.float64).eps * heights[0]).sum())
    if rank < features:
        raise InputError(f"a design must have rank {features}, got {rank}: leave out columns that depend on others")
    # every row in the coordinates of the first n, which are the identity there
    coordinates = torch.from_numpy(triangle[:features]).T.contiguous()
    first = coordinates[:features]
    rows = torch.linalg.solve_triangular(first, coordinates, upper=False, left=False)
    further = features + _most_leverage(rows[features:], count - features)
    order = torch.cat([torch.arange(features), further])
    return torch.from_numpy(pivots).to(torch.long)[order].to(matrix.device)


def _most_leverage(rows: Tensor, count: int) -> Tensor:
    """The rows that multiply the determinant most, one after another, where the identity is there already."""
    leverages = rows.square().sum(1)
    inverse = torch.eye(rows.shape[1], dtype=rows.dtype)
    chosen = torch.zeros(count, dtype=torch.long)
    for place in range(count):
        best = int(leverages.argmax())
        chosen[place] = best
        step = inverse @ rows[best] / (1 + leverages[best]).sqrt()  # Sherman and Morrison
        inverse -= torch.outer(step, step)
        leverages -= (rows @ step).square()
        leverages[chosen[: place + 1]] = -torch.inf
    return chosen
