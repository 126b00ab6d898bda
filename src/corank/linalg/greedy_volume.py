"""Rows of large volume, chosen one after another: pivots of a QR factorisation first, rows of most leverage after them.

Of a matrix V (D x R) the first R rows are the pivots of a QR factorisation of its transpose, each the row with the
largest part orthogonal to those before (Drmac and Gugercin 2016, "A new selection operator for the discrete empirical
interpolation method"). In the coordinates `C = V (V_S)^-1` of these rows the determinant of the chosen rows' Gram
matrix grows by the factor `1 + l_i` with a further row i, its leverage `l_i = c_i (C_S^T C_S)^-1 c_i^T`, and the row of
largest leverage is next (Mikhalev and Oseledets 2018, "Rectangular maximum-volume submatrices and their applications").

Both choose the row of largest score `c_i (I - T^T T) c_i^T`; a chosen row adds a row t to T, by Gram and Schmidt in the
one case, by Sherman and Morrison in the other, and takes `(c_i t)^2` off the score of every i. As scores only fall,
one that is not up to date is an upper bound. So only a pool of leading rows is followed step by step, until a row
outside might be ahead of its best; then all are brought up to date by one product of matrices. The choice is the
same, and the whole matrix is read once for many steps rather than for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_POOL = 16  # one row in so many is followed step by step
_CANCELLED = 1e-8  # where scores have fallen by this factor, too few digits of the differences of squares are left

Direction = Callable[[Tensor, Tensor], Tensor]


def pivoted_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The pivots of the QR factorisation of the transpose, and the coordinates of all rows in those chosen.

    Args:
        matrix: V, shape (D, R), float64.

    Returns:
        the R rows in the order of choice and `C = V (V[rows])^-1`, shape (D, R), the identity at the rows; where the
        rank is less than R, fewer rows and no coordinates.

    Example:
        >>> rows, coordinates = pivoted_rows(torch.tensor([[1.0, 1.0], [0.0, 2.0], [3.0, 1.0]], dtype=torch.float64))
        >>> rows.tolist()
        [2, 1]
        >>> (coordinates[0] * 3).round()
        tensor([1., 1.], dtype=torch.float64)
    """
    features, rank = matrix.shape
    scores = matrix.square().sum(1)
    negligible = float(scores.max()) * (features * torch.finfo(matrix.dtype).eps) ** 2
    chosen, steps = torch.empty(0, dtype=torch.long), matrix.new_empty(0, rank)
    projections: list[Tensor] = []
    rest = matrix
    while len(chosen) < rank and float(scores.max()) > negligible:
        enough = max(negligible, _CANCELLED * float(scores.max()))
        further, steps, found = _greedy(rest, scores, rank - len(chosen), _orthogonal, steps, enough)
        chosen = torch.cat([chosen, further])
        projections.append(found)
        if len(chosen) < rank:
            rest = rest - found @ steps[-len(further) :]
            scores = rest.square().sum(1)
            scores[chosen] = -torch.inf
    if len(chosen) < rank:
        return chosen, matrix.new_empty(0, rank)
    triangular = torch.cat(projections, 1)
    return chosen, torch.linalg.solve_triangular(triangular[chosen], triangular, upper=False, left=False)


def volume_rows(coordinates: Tensor, first: Tensor, count: int) -> Tensor:
    """The first rows and those that raise the volume most, one after another.

    Args:
        coordinates: of all rows in the first, shape (D, R), float64, the identity at the first.
        first: R rows.
        count: P, how many rows altogether.

    Returns:
        shape (P,), in the order of choice.

    Example:
        >>> volume_rows(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.9]]), torch.tensor([0, 1]), 3)
        tensor([0, 1, 3])
    """
    leverages = coordinates.square().sum(1)
    leverages[first] = -torch.inf
    none = coordinates.new_empty(0, coordinates.shape[1])
    further, _, _ = _greedy(coordinates, leverages, count - len(first), _downdate, none, -torch.inf)
    return torch.cat([first, further])


def _greedy(
    rows: Tensor, scores: Tensor, count: int, direction: Direction, steps: Tensor, enough: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the best scores, one after another.

    Args:
        rows: to choose from, shape (D, R).
        scores: of them; minus infinity where a row is not to be chosen.
        count: at most so many are chosen, fewer where the best score is no longer enough.
        direction: the next step t from the chosen row and the steps so far.
        steps: those before, T.
        enough: see count.

    Returns:
        the chosen rows, all steps, and `rows t` for those that were added.
    """
    chosen: list[int] = []
    scores, known, projections = scores.clone(), len(steps), [rows[:, :0]]
    steps = torch.cat([steps, steps.new_empty(count, rows.shape[1])])
    while len(chosen) < count and float(scores.max()) > enough:
        leading = scores.topk(len(rows) // _POOL + 1)
        pool, followed, bound = rows[leading.indices], leading.values, max(enough, float(leading.values[-1]))
        before = known
        while len(chosen) < count and float(followed.max()) >= bound:
            best = int(followed.argmax())
            steps[known] = direction(pool[best], steps[:known])
            followed -= (pool @ steps[known]).square()
            followed[best] = -torch.inf
            chosen.append(int(leading.indices[best]))
            known += 1
        projections.append(rows @ steps[before:known].T)
        scores -= projections[-1].square().sum(1)
        scores[chosen] = -torch.inf
    return torch.tensor(chosen, dtype=torch.long), steps[:known], torch.cat(projections, 1)


def _orthogonal(row: Tensor, steps: Tensor) -> Tensor:
    """The unit vector orthogonal to the steps; by Gram and Schmidt twice, so that it is to rounding."""
    rest = row - (steps @ row) @ steps
    rest = rest - (steps @ rest) @ steps
    return rest / float(torch.linalg.vector_norm(rest))


def _downdate(row: Tensor, steps: Tensor) -> Tensor:
    """The t of `(G + c^T c)^-1 = G^-1 - t^T t` with `G^-1 = I - T^T T` (Sherman and Morrison)."""
    product = row - (steps @ row) @ steps
    return product / math.sqrt(1 + float(row @ product))
