"""A symmetric matrix held in factors, `W = R^T M R`, and its nearest positive semidefinite one of a fixed rank.

R has few long rows, M is a small symmetric core, and no matrix as wide as it is long is ever made. Two projections on a
rank: `sketched_projection` finds the range with Gaussian vectors and the eigenvalues in it (Halko, Martinsson and Tropp
2011, "Finding structure with randomness", Algorithms 4.1 and 5.3); `ensemble_nystrom` averages approximations from
drawn columns (Sanyal, Kanade and Torr 2020, "Robustness via Deep Low-Rank Representations", app. B.2). The first is
far nearer to the best matrix of that rank at the same cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.small_gram import descending_eigenpairs

_FEW = 512  # directions of which all eigenvalues are had for less than the vectors cost
_MORE = 10  # vectors than twice the rank, for the lowest ranks
_SMOOTHING = 0.01  # of the drawn principal submatrix, as in app. B.1 of the paper


@final
@dataclass(frozen=True, eq=False)
class SymmetricFactors:
    """The matrix `W = R^T M R` of shape (m, m) and of rank at most k.

    Attributes:
        blocks: the rows R, shape (k, m), in pieces one below the other; they need not be orthogonal.
        core: M, shape (k, k), symmetric.
        gram: `R R^T`, shape (k, k).
    """

    blocks: tuple[Tensor, ...]
    core: Tensor
    gram: Tensor

    @classmethod
    def from_eigenvectors(cls, rows: Tensor, values: Tensor) -> SymmetricFactors:
        """The matrix with these eigenvectors, one a row, which are orthonormal, zero, or nearly so, and eigenvalues.

        Example:
            >>> rows, values = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([2.0])
            >>> SymmetricFactors.from_eigenvectors(rows, values).times(torch.tensor([[3.0, 4.0, 5.0]]))
            tensor([[6., 0., 0.]])
        """
        return cls((rows,), torch.diag(values), rows @ rows.T)

    @property
    def width(self) -> int:
        """The number m of rows and columns."""
        return self.blocks[0].shape[1]

    def coordinates(self, x: Tensor) -> Tensor:
        """`x R^T` for rows x, shape (n, k)."""
        return torch.cat([x @ block.T for block in self.blocks], 1)

    def combined(self, coefficients: Tensor) -> Tensor:
        """`coefficients R`, shape (n, m)."""
        ends = accumulate((len(block) for block in self.blocks), initial=0)
        parts = [coefficients[:, low:high] for low, high in pairwise(ends)]
        total = parts[0] @ self.blocks[0]
        for part, block in zip(parts[1:], self.blocks[1:], strict=True):
            total.addmm_(part, block)
        return total

    def times(self, x: Tensor) -> Tensor:
        """`x W` for rows x, shape (n, m)."""
        return self.combined(self.coordinates(x) @ self.core)

    def plus(self, x: Tensor, coordinates: Tensor, cross: Tensor, own: Tensor) -> SymmetricFactors:
        """`W + x^T cross R + R^T cross^T x + x^T own x`, of a rank higher by at most n.

        Where the rows would become more than the matrix has, they are replaced by the unit vectors.

        Args:
            x: shape (n, m).
            coordinates: of x.
            cross: shape (n, k).
            own: shape (n, n), symmetric.
        """
        core = torch.cat([torch.cat([self.core, cross.T], 1), torch.cat([cross, own], 1)])
        gram = torch.cat([torch.cat([self.gram, coordinates.T], 1), torch.cat([coordinates, x @ x.T], 1)])
        grown = SymmetricFactors((*self.blocks, x), core, gram)
        if len(core) <= self.width:
            return grown
        unit = torch.eye(self.width, dtype=x.dtype, device=x.device)
        whole = grown.times(unit)
        return SymmetricFactors((unit,), (whole + whole.T) / 2, unit)


@torch.no_grad()
def sketched_projection(
    factors: SymmetricFactors, rank: int, generator: torch.Generator | None = None, vectors: int | None = None
) -> tuple[Tensor, Tensor]:
    """Nearly the best positive semidefinite approximation of that rank, by Gaussian vectors and one power iteration.

    The core of a Nystrom approximation may be singular where W has negative eigenvalues, as gradient steps give it;
    so eigenvalues are taken within the range of the products, and those that are not positive dropped.

    Args:
        factors: of W.
        rank: r.
        generator: of the vectors.
        vectors: how many; None takes 2 r + 10, and no sketch but the best approximation where R has at most 512 rows.

    Returns:
        rows of shape (r, m), orthonormal but for rounding, and eigenvalues of shape (r,), descending; both are filled
        up with zeros where fewer are positive.

    Raises:
        InputError: a rank below 1.

    Example:
        >>> rows = torch.eye(6, dtype=torch.float64)[:3]
        >>> factors = SymmetricFactors.from_eigenvectors(rows, torch.tensor([3.0, 2.0, -4.0], dtype=torch.float64))
        >>> round(sketched_projection(factors, rank=1)[1].item(), 6)
        3.0
    """
    _check_rank(rank)
    core, gram = factors.core.double(), factors.gram.double()
    size = 2 * rank + _MORE if vectors is None else max(vectors, rank)
    if size < len(core) and (vectors is not None or len(core) > _FEW):
        drawn = torch.randn(size, factors.width, generator=generator, dtype=factors.core.dtype)
        products = factors.coordinates(drawn.to(factors.core.device)).double() @ core
        basis = _orthonormal(_orthonormal(products, gram) @ gram @ core, gram)
    else:
        basis = _orthonormal(torch.eye(len(core), dtype=torch.float64, device=core.device), gram)
    across = basis @ gram
    inner = across @ core @ across.T
    values, turns = descending_eigenpairs((inner + inner.T) / 2)
    return _leading(factors, turns.T @ basis, values, rank)


def _orthonormal(coefficients: Tensor, gram: Tensor) -> Tensor:
    """Coefficients of the same span whose combinations of R are orthonormal; directions lost in rounding are left out.

    The Gram matrix is that of rows in single precision, whose rounding is the floor.
    """
    squares, left = descending_eigenpairs(coefficients @ gram @ coefficients.T)
    known = squares > len(squares) * torch.finfo(torch.float32).eps * squares[:1]
    return (left[:, known] / squares[known].sqrt()).T @ coefficients


@torch.no_grad()
def ensemble_nystrom(
    factors: SymmetricFactors, rank: int, generator: torch.Generator | None = None, members: int = 5
) -> tuple[Tensor, Tensor]:
    """The paper's projection: the mean of approximations from columns that are drawn evenly.

    Each draws twice as many columns C as the rank, and takes `C Z_r^+ C^T` with the rows Z of C that belong to them
    (eq. 3 there, whose pseudo-inverse lacks a transpose). The mean of several has a higher rank, so it is brought back
    to r, which the paper does not say.

    Args:
        factors: of W.
        rank: r.
        generator: of the columns.
        members: of the ensemble.

    Returns:
        as `sketched_projection`.

    Raises:
        InputError: a rank or a number of members below 1.

    Example:
        >>> rows = torch.eye(6, dtype=torch.float64)[:3]
        >>> factors = SymmetricFactors.from_eigenvectors(rows, torch.tensor([3.0, 2.0, 0.0], dtype=torch.float64))
        >>> ensemble_nystrom(factors, rank=2, members=2)[1].shape
        torch.Size([2])
    """
    _check_rank(rank)
    if members < 1:
        raise InputError(f"members must be at least 1, got {members}")
    core, gram = factors.core.double(), factors.gram.double()
    count = min(2 * rank, factors.width)
    parts = []
    for _ in range(members):
        drawn = torch.randperm(factors.width, generator=generator)[:count].to(core.device)
        columns = torch.cat([block[:, drawn] for block in factors.blocks]).double()
        square = columns.T @ core @ columns
        square.diagonal().add_(_SMOOTHING)
        values, vectors = descending_eigenpairs((square + square.T) / 2)
        best = slice(0, min(rank, int((values > 0).sum())))
        parts.append(core @ columns @ (vectors[:, best] / values[best].sqrt()))
    joined = torch.cat(parts, 1).T / members**0.5
    values, vectors = descending_eigenpairs(joined @ gram @ joined.T)
    known = values > len(values) * torch.finfo(torch.float64).eps * values[:1]
    values = values[known]
    return _leading(factors, (vectors[:, known] / values.sqrt()).T @ joined, values, rank)


def _leading(factors: SymmetricFactors, coefficients: Tensor, values: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The first r eigenvectors as rows, and their eigenvalues, with zeros where those are not positive."""
    count = min(rank, int((values > 0).sum()))
    rows = factors.core.new_zeros(rank, factors.width)
    kept = factors.core.new_zeros(rank)
    if count:
        rows[:count] = factors.combined(coefficients[:count].to(rows.dtype))
        kept[:count] = values[:count].to(kept.dtype)
    return rows, kept


def _check_rank(rank: int) -> None:
    if rank < 1:
        raise InputError(f"rank must be at least 1, got {rank}")
