"""Cui et al. 2020, Example 4.1 and Fig. 4: the active direction moves a function most, the principal one not at all.

`f(x) = a^T x - b` with `a = (1, -1)`, b = 1 and x uniform on the unit square. A grid of two Gauss-Legendre nodes a side
has the moments of the uniform distribution up to the third, so its covariances are the exact ones.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from corank.measure import ActivationSpectrum, ActiveSubspace

A, B, DELTA = torch.tensor([1.0, -1.0], dtype=torch.float64), 1.0, 0.3
NODES = torch.tensor([0.5 - math.sqrt(1 / 12), 0.5 + math.sqrt(1 / 12)], dtype=torch.float64)
# Of a batch every fifth sample is held out: four nodes and one more that takes no part.
GRID = torch.cat([torch.cartesian_prod(NODES, NODES), NODES[:1].expand(1, 2)])
CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)


@pytest.fixture
def plane() -> nn.Sequential:
    """The function as a network whose first layer hands on its input, which is not negative."""
    linear = nn.Linear(2, 1, dtype=torch.float64)
    linear.weight.data.copy_(A[None])
    linear.bias.data.fill_(-B)
    return nn.Sequential(nn.ReLU(), linear)


def data() -> list[tuple[Tensor, Tensor]]:
    return [(GRID, torch.zeros(len(GRID), dtype=torch.int64))]


def upwards(directions: Tensor) -> Tensor:
    """The first direction with its first entry positive: both signs are eigenvectors."""
    return directions[0] * directions[0, 0].sign()


def test_the_covariance_of_the_gradient_is_a_a_transposed(plane: nn.Sequential) -> None:
    (layer,) = ActiveSubspace(layer="0", rank=1, labels="logits").measure(plane, data()).layers
    assert layer.eigenvalues == pytest.approx((2.0,), rel=1e-12)
    assert str(layer.active_neurons.energy) == "1"
    torch.testing.assert_close(upwards(layer.directions), A / math.sqrt(2), rtol=0, atol=1e-12)


def test_the_covariance_of_the_data_is_that_of_the_paper(plane: nn.Sequential) -> None:
    """`E[x x^T] = [[1/3, 1/4], [1/4, 1/3]]`, with eigenvalues 7/12 and 1/12."""
    (layer,) = ActivationSpectrum(layer="0", rank=2).measure(plane, data()).layers
    assert [value**2 for value in layer.singular_values] == pytest.approx([7 / 12, 1 / 12], rel=1e-12)
    first = layer.directions[:1]
    torch.testing.assert_close(
        upwards(first), torch.full((2,), math.sqrt(0.5), dtype=torch.float64), rtol=0, atol=1e-12
    )


def test_only_the_active_direction_moves_the_function(plane: nn.Sequential) -> None:
    """Fig. 4: on the corners of the square f is -1, 0, -2, -1; a step of 0.3 adds 0.3 sqrt(2), or nothing."""
    with torch.no_grad():
        (active,) = ActiveSubspace(layer="0", rank=1, labels="logits").measure(plane, data()).layers
        (principal,) = ActivationSpectrum(layer="0", rank=1).measure(plane, data()).layers
        before = plane[1](CORNERS).flatten()
        by_active = plane[1](CORNERS + DELTA * upwards(active.directions)).flatten()
        by_principal = plane[1](CORNERS + DELTA * upwards(principal.directions)).flatten()
    assert before.tolist() == [-1.0, 0.0, -2.0, -1.0]
    torch.testing.assert_close(by_active - before, torch.full_like(before, DELTA * math.sqrt(2)), rtol=0, atol=1e-12)
    torch.testing.assert_close(by_principal, before, rtol=0, atol=1e-12)
