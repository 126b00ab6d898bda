"""Products of Gaussian matrices, and the tail of a sum of squares.

Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers, Lemmas 2 and
3: the triangular factor of `H_l ... H_1` is distributed as the product of independent triangular matrices, each with
standard normal entries above the diagonal and `sqrt(chi^2)` on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from corank.errors import InputError


def lower_tail_bound(share: float, dimension: int) -> float:
    """Lemma 2: at most how probable it is that `Z_1^2 + ... + Z_d^2 <= share d` for independent standard normal Z_i.

    Args:
        share: of the expected sum, above 0 and below 1.
        dimension: how many numbers.

    Example:
        >>> lower_tail_bound(0.5, 2)  # doctest: +ELLIPSIS
        0.8243...
    """
    if not 0 < share < 1:
        raise InputError(f"share must be above 0 and below 1, got {share}")
    return math.exp(dimension / 2 * (math.log(share) + 1 - share))


def factors_of_products(sizes: Sequence[int], draws: int, generator: torch.Generator | None = None) -> Tensor:
    """The triangular factors R of products `H_l ... H_1` of Gaussian matrices, with a diagonal that is not negative.

    Args:
        sizes: `n_1 <= n_2 <= ...`: H_i has `n_{i+1}` rows and `n_i` columns.
        draws: how many products.
        generator: of the entries.

    Returns:
        `(draws, n_1, n_1)`, float64.

    Example:
        >>> factors_of_products([3, 5, 8], draws=2).shape
        torch.Size([2, 3, 3])
    """
    _check(sizes)
    product = torch.eye(sizes[0], dtype=torch.float64).expand(draws, -1, -1)
    for columns, rows in pairwise(sizes):
        product = torch.randn(draws, rows, columns, dtype=torch.float64, generator=generator) @ product
    return _positive(torch.linalg.qr(product).R)


def products_of_factors(sizes: Sequence[int], draws: int, generator: torch.Generator | None = None) -> Tensor:
    """Lemma 3: the same distribution, from products of independent triangular matrices.

    Args:
        sizes: as of `factors_of_products`; row j of R_i has on its diagonal the root of a chi-squared number of
            `n_{i+1} - j + 1` degrees of freedom, j from 1.
        draws: how many products.
        generator: of the entries.

    Example:
        >>> bool((products_of_factors([3, 5, 8], draws=2).tril(-1) == 0).all())
        True
    """
    _check(sizes)
    width = sizes[0]
    product = torch.eye(width, dtype=torch.float64).expand(draws, -1, -1)
    for rows in sizes[1:]:
        squares = torch.randn(draws, width, rows, dtype=torch.float64, generator=generator).square()
        counted = torch.arange(rows) < rows - torch.arange(width)[:, None]
        upper = torch.randn(draws, width, width, dtype=torch.float64, generator=generator).triu(1)
        product = (upper + torch.diag_embed((squares * counted).sum(2).sqrt())) @ product
    return product


def _positive(factor: Tensor) -> Tensor:
    """The triangular factor whose diagonal is not negative."""
    return factor * torch.where(factor.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)[..., None]


def _check(sizes: Sequence[int]) -> None:
    if len(sizes) < 2 or sizes[0] < 1 or any(after < before for before, after in pairwise(sizes)):
        raise InputError(f"sizes must be at least two, from 1 on and not falling, got {list(sizes)}")
