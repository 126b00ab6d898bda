from __future__ import annotations

import torch
from torch import nn

from corank.linalg import matrix_norms
from corank.train import NuclearNorm


def test_it_is_the_sum_of_singular_values_of_the_matrix_of_a_convolution() -> None:
    network = nn.Conv2d(3, 5, 2)
    expected = matrix_norms(network.weight.detach().flatten(1)).nuclear
    torch.testing.assert_close(NuclearNorm(strength=3.0)(network).item(), 3 * expected, rtol=1e-6, atol=0)


def test_its_proximal_step_lowers_every_singular_value_and_keeps_the_directions() -> None:
    network = nn.Conv2d(3, 5, 2).double()
    left, before, right = torch.linalg.svd(network.weight.detach().flatten(1), full_matrices=False)
    limit = float(before[2:4].mean())
    NuclearNorm(strength=limit / 0.25).proximal_step(network, 0.25)
    expected = (left * (before - limit).clamp(min=0)) @ right
    torch.testing.assert_close(network.weight.detach().flatten(1), expected)
    assert torch.linalg.matrix_rank(network.weight.detach().flatten(1), rtol=1e-9) == 3


def test_the_gradient_of_a_matrix_of_low_rank_is_finite_and_no_longer_than_the_norm_allows() -> None:
    network = nn.Linear(4, 4)
    network.weight.data = torch.ones(4, 4)
    NuclearNorm(strength=1.0)(network).backward()
    assert network.weight.grad is not None
    assert torch.linalg.matrix_norm(network.weight.grad, 2) <= 1 + 1e-5
    torch.testing.assert_close((network.weight.grad * network.weight).sum(), torch.tensor(4.0))
