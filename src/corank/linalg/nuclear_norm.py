"""The nuclear norm of a matrix with its subgradient `U V^T`, without a singular value decomposition.

With `A A^T = U diag(lambda) U^T` of the shorter side, the norm is the sum of the roots and the subgradient is
`U diag(lambda^(-1/2)) U^T A`. Formed in float64, the products keep every singular value above about 1e-8 of the
largest; what lies below counts as zero, where any matrix of norm at most one in those directions is a subgradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from corank.errors import InputError


def nuclear_norm(matrix: Tensor) -> Tensor:
    """The sum of the singular values, a scalar, differentiable once.

    Args:
        matrix: shape (p, q), any floating dtype; a convolution's kernel as (out_channels, the rest).

    Raises:
        InputError: no matrix.

    Example:
        >>> matrix = torch.tensor([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0]], requires_grad=True)
        >>> found = nuclear_norm(matrix)
        >>> found.item(), torch.autograd.grad(found, matrix)[0].tolist()
        (5.0, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    """
    if matrix.ndim != 2:
        raise InputError(f"a matrix must have two dimensions, got shape {tuple(matrix.shape)}: flatten(1) a kernel")
    found: Tensor = _NuclearNorm.apply(matrix)  # type: ignore[no-untyped-call]
    return found


class _NuclearNorm(torch.autograd.Function):
    """Both the norm and its subgradient come from the one decomposition of the forward pass."""

    @staticmethod
    def forward(context: Any, matrix: Tensor) -> Tensor:
        short = matrix if len(matrix) <= matrix.shape[1] else matrix.T
        wide = short.to(torch.float64)
        squares, left = torch.linalg.eigh(wide @ wide.T)
        floor = max(len(squares) * torch.finfo(torch.float64).eps * float(squares[-1]), torch.finfo(torch.float64).tiny)
        inverses = squares.clamp(min=floor).rsqrt_().masked_fill_(squares <= floor, 0.0)
        gradient = ((left * inverses) @ left.T).to(matrix.dtype) @ short
        context.save_for_backward(gradient if short is matrix else gradient.T)
        found: Tensor = (squares * inverses).sum().to(matrix.dtype)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, outer: Tensor) -> Tensor:
        (gradient,) = context.saved_tensors
        scaled: Tensor = outer * gradient
        return scaled
