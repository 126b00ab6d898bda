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
from corank.linalg.greedy_volume import pivoted_rows, volume_rows
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
    if matrix.ndim != 2 or not 1 <= matrix.shape[1] <= count <= len(matrix):
        raise InputError(
            f"a design of shape {tuple(matrix.shape)} needs a count of rows from its columns to its rows, got {count}"
        )
    energy_of(check_rows(matrix, matrix.shape[1], "the design"), "the design")
    first, coordinates = pivoted_rows(matrix.detach().to("cpu", torch.float64))
    if len(first) < matrix.shape[1]:
        raise InputError(
            f"a design must have rank {matrix.shape[1]}, got {len(first)}: leave out columns that depend on others"
        )
    return volume_rows(coordinates, first, count).to(matrix.device)
