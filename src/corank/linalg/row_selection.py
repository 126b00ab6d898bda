"""Few rows of a basis that determine the coordinates of everything in its span.

A vector `z ~ V c` is known from its entries S z at the chosen rows: `c = (S V)^+ S z`. An error e of z beside the span
becomes at most `|e| / sigma_min(S V)` of the coordinates, and with orthonormal columns of V the whole error
`|z - V (S V)^+ S z|` obeys the same bound; so that constant says how good the rows are (Daulbaev, section 5.3.4, eq.
5.17; Chaturantabut and Sorensen 2010, "Nonlinear model reduction via discrete empirical interpolation", Lemma 3.2).
No choice of P among D rows comes below sqrt(D / P) for a basis whose rows are all equally long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.gappy_pod_e import gappy_pod_e_rows
from corank.linalg.greedy_volume import pivoted_rows, volume_rows
from corank.linalg.maxvol import dominant_rows
from corank.linalg.rows import check_rows, energy_of

Method = Literal["volume", "gappy-pod-e", "maxvol"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RowSelection:
    """Chosen rows of a basis V.

    Attributes:
        rows: shape (P,), ascending, whole numbers, on the basis's device.
        constant: `1 / sigma_min(V[rows])`, by which an error beside the span grows at most; computed in float64.
    """

    rows: Tensor
    constant: float


@torch.no_grad()
def select_rows(basis: Tensor, count: int, *, method: Method = "volume") -> RowSelection:
    """Rows of a basis from which everything in its span can be told with little amplification of errors.

    All methods start from the pivots of a QR factorisation of the transpose, one a column ("QDEIM"), work in float64
    on the CPU, and never form a matrix of D x D.

    Args:
        basis: V, shape (D, R), of rank R; its columns should be orthonormal.
        count: P, how many rows, from R to D.
        method: "volume" adds the row that raises the volume of the chosen ones most, "gappy-pod-e" the one that is
            expected to raise their smallest singular value most: up to a tenth better where all rows are about equally
            long, up to a tenth worse where they are not, and several times slower; "maxvol" improves the first R by
            swaps until none raises their volume by more than a hundredth, and goes on like "volume".

    Raises:
        InputError: a basis that is not finite or of lower rank, a count out of range, or an unknown method.

    Example:
        >>> basis = torch.tensor([[0.6, 0.0], [0.0, 1.0], [0.8, 0.0]])
        >>> found = select_rows(basis, 2)
        >>> found.rows, round(found.constant, 6)
        (tensor([1, 2]), 1.25)
    """
    if method not in get_args(Method):
        raise InputError(f"method must be one of {', '.join(get_args(Method))}, got {method!r}")
    if basis.ndim != 2 or not 1 <= basis.shape[1] <= count <= len(basis):
        raise InputError(
            f"a basis of shape {tuple(basis.shape)} needs a count of rows from its columns to its rows, got {count}"
        )
    energy_of(check_rows(basis, basis.shape[1], "the basis"), "the basis")
    matrix = basis.detach().to("cpu", torch.float64)
    first, coordinates = pivoted_rows(matrix)
    if len(first) < matrix.shape[1]:
        raise InputError(f"a basis must have independent columns, got {matrix.shape[1]} of rank {len(first)}")
    match method:
        case "volume":
            chosen = volume_rows(coordinates, first, count)
        case "gappy-pod-e":
            chosen = gappy_pod_e_rows(matrix, first, count)
        case "maxvol":
            first, coordinates = dominant_rows(coordinates, first)
            chosen = volume_rows(coordinates, first, count)
    rows = chosen.sort().values
    constant = 1 / float(torch.linalg.svdvals(matrix[rows])[-1])
    return RowSelection(rows=rows.to(basis.device), constant=constant)


def a_priori_constant(features: int, rank: int, rows: int) -> float:
    """The constant that rows of maximum volume keep: `sqrt(1 + (D - P) R / (P + 1 - R))` (Daulbaev, eq. 5.19).

    Far above what is found as a rule, but known before any row is chosen.

    Args:
        features: D.
        rank: R.
        rows: P, from R to D.

    Example:
        >>> round(a_priori_constant(16384, 50, 75))
        177
    """
    if not 1 <= rank <= rows <= features:
        raise InputError(f"expected 1 <= rank <= rows <= features, got rank {rank}, rows {rows}, features {features}")
    return math.sqrt(1 + (features - rows) * rank / (rows + 1 - rank))
