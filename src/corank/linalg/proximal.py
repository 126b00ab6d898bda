"""Proximal maps: the minimiser of `1/2 |w - v|^2 + t R(w)` for norms R that make w sparse or of low rank.

Entries, groups or singular values move towards zero by the threshold t and no further (Parikh and Boyd 2014,
"Proximal Algorithms", sections 6.5 and 6.7). These are the steps of ASNet-s (Cui et al. 2020, "Active Subspace of
Neural Networks", section 3.6, eq. 3.20, which prints argmax for argmin, and eq. 3.21).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.small_gram import descending_eigenpairs


def soft_threshold(values: Tensor, threshold: float) -> Tensor:
    """The minimiser of `1/2 |w - values|^2 + threshold * sum |w|`: `sign(x) max(|x| - threshold, 0)`, entry by entry.

    Args:
        values: of any shape and floating dtype.
        threshold: at least 0, in the unit of the values.

    Raises:
        InputError: a threshold that is negative or not finite.

    Example:
        >>> soft_threshold(torch.tensor([3.0, -0.5, -2.0]), 1.0)
        tensor([ 2., 0., -1.])
    """
    _check_threshold(threshold)
    # not sign times size: a zero from below would keep its sign
    return values - values.clamp(-threshold, threshold)


def group_soft_threshold(values: Tensor, threshold: float, dim: int = 0) -> Tensor:
    """The minimiser of `1/2 |w - values|^2 + threshold * sum_g |w_g|_2` over the slices g along one dimension.

    A group whose norm is at most the threshold vanishes, the others are scaled by `1 - threshold / |v_g|`.

    Args:
        values: of any shape and floating dtype; of a weight, dimension 0 counts its outputs and 1 its inputs.
        threshold: at least 0, in the unit of the values.
        dim: the dimension along which groups are counted; each holds everything else.

    Raises:
        InputError: a threshold that is negative or not finite, or a dimension that is not there.

    Example:
        >>> group_soft_threshold(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0)
        tensor([[2.4000, 3.2000],
                [0.0000, 0.0000]])
    """
    _check_threshold(threshold)
    norms = group_norms(values, dim)
    longer = norms.clamp(min=max(threshold, torch.finfo(norms.dtype).tiny))
    factors = (longer - threshold) / longer  # exactly 0 up to the threshold
    shape = [1] * values.ndim
    shape[dim] = -1
    return values * factors.to(values.dtype).reshape(shape)


def group_norms(values: Tensor, dim: int = 0) -> Tensor:
    """The Euclidean norm of every slice along a dimension, shape (groups,); differentiable where it is not 0.

    Args:
        values: of any shape and floating dtype.
        dim: the dimension along which groups are counted.

    Raises:
        InputError: a dimension that is not there.

    Example:
        >>> group_norms(torch.tensor([[3.0, 0.0], [4.0, 1.0]]), dim=1)
        tensor([5., 1.])
    """
    if not 0 <= dim < values.ndim:
        raise InputError(f"dim must be one of the {values.ndim} dimensions, counted from 0, got {dim}")
    norms: Tensor = torch.linalg.vector_norm(values.transpose(0, dim).flatten(1), dim=1)
    return norms


@torch.no_grad()
def singular_value_threshold(matrix: Tensor, threshold: float) -> Tensor:
    """The minimiser of `1/2 |W - matrix|_F^2 + threshold * |W|_*`: every singular value goes down, at most to 0.

    In float64 by the singular value decomposition. In a lower precision through the smaller Gram matrix in
    float64: with k rows its error is at most about `sqrt(k) 1.5e-8` of the largest singular value, which the dtype
    rounds away, for any threshold.

    Args:
        matrix: shape (p, q), any floating dtype; a convolution's kernel as (out_channels, the rest).
        threshold: at least 0, in the unit of the singular values.

    Raises:
        InputError: no matrix, or a threshold that is negative or not finite.

    Example:
        >>> singular_value_threshold(torch.diag(torch.tensor([3.0, 0.5])), 1.0)
        tensor([[2., 0.],
                [0., 0.]])
    """
    _check_threshold(threshold)
    if matrix.ndim != 2:
        raise InputError(f"a matrix must have two dimensions, got shape {tuple(matrix.shape)}: flatten(1) a kernel")
    if matrix.dtype == torch.float64:
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        lowered: Tensor = (left * (values - threshold).clamp(min=0)) @ right
        return lowered
    if len(matrix) > matrix.shape[1]:
        return singular_value_threshold(matrix.T, threshold).T
    wide = matrix.to(torch.float64)
    squares, left = descending_eigenpairs(wide @ wide.T)
    values = squares.sqrt()
    # What is taken away, at most the threshold in every direction: so small singular values, which the squares
    # do not resolve, cannot do more harm than that.
    taken = threshold / values.clamp(min=max(threshold, torch.finfo(torch.float64).tiny))
    kept = wide - (left * taken) @ (left.T @ wide)
    return kept.to(matrix.dtype)


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold < math.inf:
        raise InputError(f"threshold must be at least 0 and finite, got {threshold}")
