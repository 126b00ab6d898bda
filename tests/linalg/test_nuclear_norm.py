from __future__ import annotations

import pytest
import torch

from corank.errors import InputError
from corank.linalg import nuclear_norm


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6)])
def test_value_and_gradient_are_those_of_the_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    left, values, right = torch.linalg.svd(matrix.detach(), full_matrices=False)
    found = nuclear_norm(matrix)
    torch.testing.assert_close(found.detach(), values.sum())
    torch.testing.assert_close(torch.autograd.grad(found, matrix)[0], left @ right, atol=1e-12, rtol=0)
    assert torch.autograd.gradcheck(nuclear_norm, (matrix,))


def test_in_single_precision_it_agrees_far_beyond_a_thousandth_down_to_small_singular_values() -> None:
    chance = torch.Generator().manual_seed(1)
    left, right = (torch.linalg.qr(torch.randn(size, 12, generator=chance))[0] for size in (20, 50))
    matrix = (left * 10 ** -torch.linspace(0, 3, 12) @ right.T).requires_grad_()
    found = nuclear_norm(matrix)
    torch.testing.assert_close(found.detach(), torch.linalg.svdvals(matrix.detach()).sum())
    gradient = torch.autograd.grad(found, matrix)[0]
    # rounding of the entries, 6e-8 of the largest value, turns the directions of one of 1e-3 by 6e-5
    torch.testing.assert_close(gradient, left @ right.T, atol=1e-3, rtol=0)


@pytest.mark.parametrize("zero", [0.0, 1.0])
def test_where_the_rank_is_low_it_is_a_subgradient(zero: float) -> None:
    chance = torch.Generator().manual_seed(2)
    matrix = zero * torch.randn(6, 2, generator=chance).double() @ torch.randn(2, 7, generator=chance).double()
    matrix.requires_grad_()
    found = nuclear_norm(matrix)
    gradient = torch.autograd.grad(found, matrix)[0]
    assert float(torch.linalg.matrix_norm(gradient, 2)) <= 1 + 1e-7
    for _ in range(20):
        other = matrix.detach() + torch.randn(6, 7, generator=chance, dtype=torch.float64)
        assert nuclear_norm(other) >= found + ((other - matrix) * gradient).sum() - 1e-7


def test_it_takes_a_matrix() -> None:
    with pytest.raises(InputError, match=r"two dimensions, got shape \(2, 3, 3, 3\)"):
        nuclear_norm(torch.zeros(2, 3, 3, 3))
