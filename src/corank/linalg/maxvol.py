"""Square submatrices of dominant volume: as many rows as columns, from which no single swap leads to a larger volume.

In the coordinates `C = V (V_S)^-1` of the chosen rows S the volume `|det V_S|` is multiplied by `|c_ij|` when row i
takes the place of the j-th chosen row; swaps end when no entry exceeds 1 by more than a tolerance (Goreinov, Oseledets,
Savostyanov, Tyrtyshnikov and Zamarashkin 2010, "How to find a good submatrix").
"""

from __future__ import annotations

import torch
from torch import Tensor

from corank.errors import InputError

TOLERANCE = 0.01  # a swap has to raise the volume by more than this share, so that there are few


def dominant_rows(coordinates: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows that no single swap improves by more than `TOLERANCE`, and the coordinates of all rows in them.

    Args:
        coordinates: `V (V[rows])^-1`, shape (D, R), float64; not changed.
        rows: R rows to start from.

    Example:
        >>> basis = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]], dtype=torch.float64)
        >>> dominant_rows(basis, torch.tensor([0, 1]))[0]
        tensor([0, 2])
    """
    coordinates, rows = coordinates.clone(), rows.clone()
    while True:
        enters, place = divmod(int(coordinates.abs().argmax()), coordinates.shape[1])
        pivot = coordinates[enters, place].clone()
        if float(pivot.abs()) <= 1 + TOLERANCE:
            return rows, coordinates
        change = coordinates[enters] / pivot
        change[place] -= 1 / pivot
        coordinates.addr_(coordinates[:, place].clone(), change, alpha=-1)
        rows[place] = enters


def dominance(basis: Tensor, rows: Tensor) -> float:
    """The largest entry of `V (V[rows])^-1` in size: by how much one swap could raise the volume of R rows.

    Args:
        basis: V, shape (D, R).
        rows: R of its rows, independent.

    Example:
        >>> dominance(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]), torch.tensor([0, 1]))
        2.0
    """
    if len(rows) != basis.shape[1]:
        raise InputError(f"dominance is of as many rows as columns, got {len(rows)} rows of {basis.shape[1]} columns")
    matrix = basis.detach().to(torch.float64)
    return float(torch.linalg.solve(matrix[rows], matrix, left=False).abs().max())
