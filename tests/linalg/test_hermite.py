"""The basis agrees with numpy's probabilists' Hermite polynomials and is orthonormal."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from numpy.polynomial import hermite_e
from torch import Tensor, nn

from corank.errors import InputError
from corank.linalg import HermiteBasis, evaluate_hermite, multi_indices, number_of_terms


def points(count: int, variables: int, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(count, variables, generator=chance, dtype=torch.float64)


@pytest.mark.parametrize(("variables", "order"), [(1, 0), (3, 0), (1, 7), (2, 5), (5, 2), (4, 3), (6, 1)])
def test_agrees_with_numpy(variables: int, order: int) -> None:
    z = points(9, variables)
    values = HermiteBasis(variables, order).evaluate(z)
    for term, listed in enumerate(multi_indices(variables, order).tolist()):
        expected = np.ones(len(z))
        for variable, degree in Counter(v for v in listed if v).items():
            polynomial = hermite_e.HermiteE.basis(degree)(z[:, variable - 1].numpy())
            expected = expected * polynomial / math.sqrt(math.factorial(degree))
        np.testing.assert_allclose(values[:, term].numpy(), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("variables", "order"), [(1, 0), (1, 9), (3, 4), (50, 2), (10, 3)])
def test_terms_are_all_different_and_come_degree_by_degree(variables: int, order: int) -> None:
    listed = multi_indices(variables, order)
    assert listed.shape == (number_of_terms(variables, order), order)
    assert len({tuple(term) for term in listed.tolist()}) == len(listed)
    degrees = (listed > 0).sum(1)
    assert bool((degrees.diff() >= 0).all())
    assert HermiteBasis(variables, order).terms == math.comb(variables + order, order)


def test_orthonormal_under_a_standard_normal() -> None:
    nodes, weights = hermite_e.hermegauss(5)  # exact up to degree 9; products have degree 8
    weights = weights / weights.sum()
    z = torch.cartesian_prod(*[torch.tensor(nodes)] * 3)
    weight = torch.cartesian_prod(*[torch.tensor(weights)] * 3).prod(1)
    values = HermiteBasis(3, 4).evaluate(z)
    identity = torch.eye(values.shape[1], dtype=torch.float64)
    torch.testing.assert_close(values.T @ (weight[:, None] * values), identity, rtol=0, atol=1e-12)


def test_differentiable() -> None:
    basis = HermiteBasis(3, 4)
    z = points(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(basis.evaluate, (z,))


def test_a_module_with_the_index_as_buffer_is_exported_for_any_batch() -> None:
    class Expansion(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("index", HermiteBasis(4, 2).index)

        def forward(self, z: Tensor) -> Tensor:
            return evaluate_hermite(z, self.index, order=2)

    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(Expansion(), (torch.zeros(3, 4),), dynamic_shapes=({0: batch},))
    z = points(7, 4).float()
    torch.testing.assert_close(program.module()(z), HermiteBasis(4, 2).evaluate(z))


def test_wrong_input_is_refused() -> None:
    basis = HermiteBasis(2, 2)
    refused = [
        (lambda: HermiteBasis(0, 2), "variables must be at least 1, got 0"),
        (lambda: HermiteBasis(2, -1), "order must be at least 0, got -1"),
        (lambda: basis.evaluate(torch.zeros(4, 3)), r"points must have shape \(batch, 2\), got \(4, 3\)"),
    ]
    for call, message in refused:
        with pytest.raises(InputError, match=message):
            call()
