"""Norms of a weight matrix and the ratios that measure how low its rank and how sparse it is.

Effective rank `||W||_* / ||W||_F` and effective sparsity `||W||_1 / ||W||_F` are those of Langenberg et al.
2019, "On the effect of low-rank weights on adversarial robustness of neural networks", section 2. All come from
the eigenvalues of the smaller Gram matrix; where the small singular values that those cannot resolve would matter for
the nuclear norm, from the singular values themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.rows import check_rows, energy_of

_PRECISION = 1e-9  # relative, of the nuclear norm; the other figures are exact to rounding in any case


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class MatrixNorms:
    """Norms of a matrix of shape (p, q) and of rank k.

    Attributes:
        singular_values: all min(p, q) of them, descending, float64.
        spectral: the largest singular value.
        frobenius: the root of the sum of squares.
        nuclear: the sum of the singular values.
        absolute: the sum of absolute entries.
        effective_rank: nuclear / frobenius, between 1 and sqrt(k).
        effective_sparsity: absolute / frobenius, between 1 and sqrt(p q).
        stable_rank: frobenius^2 / spectral^2, between 1 and k.
    """

    singular_values: Tensor
    spectral: float
    frobenius: float
    nuclear: float
    absolute: float
    effective_rank: float
    effective_sparsity: float
    stable_rank: float


@torch.no_grad()
def matrix_norms(matrix: Tensor) -> MatrixNorms:
    """All norms of one matrix, in float64.

    Args:
        matrix: shape (p, q), any floating dtype; a convolution's kernel as (out_channels, the rest).

    Raises:
        InputError: no matrix, a number that is not finite, or nothing but zeros.

    Example:
        >>> found = matrix_norms(torch.diag(torch.tensor([3.0, 4.0])))
        >>> found.nuclear, found.frobenius, found.spectral, round(found.stable_rank, 4)
        (7.0, 5.0, 4.0, 1.5625)
    """
    if matrix.ndim != 2:
        raise InputError(f"a matrix must have two dimensions, got shape {tuple(matrix.shape)}: flatten(1) a kernel")
    if energy_of(check_rows(matrix, matrix.shape[1], "the matrix"), "the matrix") == 0:
        raise InputError(
            f"the matrix must not be all zeros, got {tuple(matrix.shape)} zeros: it has no ratios of norms"
        )
    entries = matrix.detach().to(torch.float64)
    largest = entries.abs().max()
    entries = entries / largest  # so that neither squares nor their sums leave the range of float64
    values = _singular_values(entries) * largest
    frobenius = float(torch.linalg.vector_norm(entries) * largest)
    spectral, nuclear = float(values[0]), float(values.sum())
    absolute = float(entries.abs().sum() * largest)
    return MatrixNorms(
        singular_values=values,
        spectral=spectral,
        frobenius=frobenius,
        nuclear=nuclear,
        absolute=absolute,
        effective_rank=nuclear / frobenius,
        effective_sparsity=absolute / frobenius,
        stable_rank=(frobenius / spectral) ** 2,
    )


def _singular_values(entries: Tensor) -> Tensor:
    """Descending; through the Gram matrix if that leaves the nuclear norm its precision."""
    entries = entries if len(entries) <= entries.shape[1] else entries.T
    gram = entries @ entries.T
    squares = torch.linalg.eigvalsh(gram).flip(0).clamp(min=0)
    rounding = torch.finfo(torch.float64).eps * len(squares) * squares[0]  # of each eigenvalue
    values: Tensor = squares.sqrt()
    error = (squares + rounding).sqrt() - values  # largest for those that drown in it
    if float(error.sum()) > _PRECISION * float(values.sum()):
        values = torch.linalg.svdvals(torch.linalg.qr(entries.T, mode="r")[1])
    return values
