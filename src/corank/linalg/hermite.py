"""Polynomial chaos: orthonormal Hermite polynomials of several variables up to a total degree.

phi_alpha(z) = prod_v h_{alpha_v}(z_v) with h_k = He_k / sqrt(k!), the probabilists' polynomials, orthonormal
for a standard normal z (Xiu and Karniadakis 2002; Cui et al. 2020, "Active Subspace of Neural Networks",
section 3.5, whose recurrence mixes two conventions: this one is consistent). All one-dimensional polynomials
are tabulated once by the three-term recurrence; a term is then a product of `order` entries of that table.
"""

from __future__ import annotations

import math
from itertools import combinations_with_replacement
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.rows import check_rows

MOST_TERMS = 1_000_000  # the squares of as many cannot be solved for; their list alone takes minutes


def number_of_terms(variables: int, order: int) -> int:
    """How many polynomials of `variables` variables have a total degree up to `order`: C(r + p, p).

    Example:
        >>> number_of_terms(50, 2)
        1326
    """
    return math.comb(variables + order, order)


def multi_indices(variables: int, order: int) -> Tensor:
    """The variables of each term, counted from 1 and ascending, filled up in front with 0.

    Terms come degree by degree, the constant first; within a degree in lexicographic order. The term
    z_1 z_3^2 reads (1, 3, 3) at order 3 and (0, 1, 3, 3) at order 4.

    Args:
        variables: r >= 1.
        order: total degree p >= 0.

    Returns:
        integers of shape (C(r + p, p), p).

    Raises:
        InputError: variables below 1 or order below 0, or more than a million terms.

    Example:
        >>> multi_indices(2, 2).tolist()
        [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]
    """
    if variables < 1:
        raise InputError(f"variables must be at least 1, got {variables}")
    if order < 0:
        raise InputError(f"order must be at least 0, got {order}")
    if number_of_terms(variables, order) > MOST_TERMS:
        raise InputError(
            f"order {order} in {variables} variables has more than {MOST_TERMS:,} terms: lower one of the two"
        )
    terms = [
        (0,) * (order - degree) + term
        for degree in range(order + 1)
        for term in combinations_with_replacement(range(1, variables + 1), degree)
    ]
    return torch.tensor(terms, dtype=torch.long).reshape(len(terms), order)


def evaluate_hermite(z: Tensor, index: Tensor, order: int) -> Tensor:
    """The basis at the points z: a pure function, for modules that keep `index` as a buffer.

    Args:
        z: points of shape (B, r), any floating dtype.
        index: `HermiteBasis(r, order).index`, shape (order, terms).
        order: the total degree, as the index has it.

    Returns:
        values of shape (B, terms), differentiable in z.

    Example:
        >>> basis = HermiteBasis(variables=1, order=2)
        >>> evaluate_hermite(torch.tensor([[0.0], [1.0]]), basis.index, order=2)
        tensor([[ 1.0000,  0.0000, -0.7071],
                [ 1.0000,  1.0000,  0.0000]])
    """
    one = torch.ones_like(z[:, :1])
    if order == 0:
        return one
    columns, previous, current = [one, z], torch.ones_like(z), z
    for degree in range(1, order):
        following = (z * current - math.sqrt(degree) * previous) / math.sqrt(degree + 1)
        columns.append(following)
        previous, current = current, following
    table = torch.cat(columns, dim=1)
    values = table.index_select(1, index[0])
    for factor in range(1, order):
        values = values * table.index_select(1, index[factor])
    return values


@final
class HermiteBasis:
    """All orthonormal Hermite polynomials of `variables` variables with total degree up to `order`.

    Attributes:
        variables: r. order: p. terms: C(r + p, p).
        index: integers of shape (p, terms); the factors of a term as columns of the table
            `1, h_1(z_1..z_r), ..., h_p(z_1..z_r)`. Keep it as a buffer for `evaluate_hermite`.

    Raises:
        InputError: variables below 1 or order below 0.

    Example:
        >>> basis = HermiteBasis(variables=3, order=2)
        >>> basis.terms, basis.evaluate(torch.zeros(5, 3)).shape
        (10, torch.Size([5, 10]))
    """

    def __init__(self, variables: int, order: int) -> None:
        listed = multi_indices(variables, order)
        self.variables = variables
        self.order = order
        self.terms = len(listed)
        self.index = _table_columns(listed, variables)

    def evaluate(self, z: Tensor) -> Tensor:
        """The values of all terms, shape (B, terms), at points z of shape (B, variables); differentiable.

        Raises:
            InputError: points of another shape.
        """
        check_rows(z, self.variables, "points")
        return evaluate_hermite(z, self.index.to(z.device), self.order)


def _table_columns(listed: Tensor, variables: int) -> Tensor:
    """For each slot of each term its column: h_k of a variable where it first occurs, else the constant."""
    equal = listed[:, :, None] == listed[:, None, :]
    powers = equal.sum(-1)
    occurred_before = equal.tril(-1).any(-1)
    columns = (powers - 1) * variables + listed
    return columns.masked_fill(occurred_before | (listed == 0), 0).T.contiguous()
