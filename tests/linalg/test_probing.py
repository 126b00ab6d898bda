from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corank.linalg import exchanging_perturbation, probed_distance


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(dimension=st.integers(2, 30), seed=st.integers(0, 99))
def test_the_distance_is_that_to_the_plane_and_below_its_bound(dimension: int, seed: int) -> None:
    own, other, point = drawn(3, 5, dimension, seed=seed)
    found = probed_distance(own, other, point)
    across = own - other
    step = -(across * point).sum(1, keepdim=True) / across.square().sum(1, keepdim=True) * across
    assert torch.allclose(found.distance, step.norm(dim=1))
    there = point + step
    assert torch.allclose((own * there).sum(1), (other * there).sum(1), atol=1e-9)
    assert bool((found.distance <= found.bound * (1 + 1e-9)).all())
    within = torch.stack([own, other], -1)
    projected = (within @ torch.linalg.lstsq(within, point[..., None]).solution)[..., 0]
    assert torch.allclose(found.bound, projected.norm(dim=1))


@given(dimension=st.integers(2, 30), seed=st.integers(0, 99))
def test_two_outputs_change_places(dimension: int, seed: int) -> None:
    """Theorem 1: the network is the inverse of the points; the last two of its outputs are exchanged."""
    points = drawn(dimension, dimension, seed=seed)
    perturbation = exchanging_perturbation(points)
    outputs = torch.linalg.solve(points, points[:, -1] + perturbation)
    scale = float(torch.linalg.cond(points))
    assert torch.allclose(outputs[-2:], torch.tensor([1.0, 0.0], dtype=torch.float64), atol=1e-11 * scale)
    q, r = torch.linalg.qr(points)
    assert torch.allclose((q.T @ perturbation)[:-2], torch.zeros(dimension - 2, dtype=torch.float64), atol=1e-9)
    limit = r[-1, -1].abs() + r[-2, -2].abs() + r[-2, -1].abs()
    assert float(perturbation.norm()) <= float(limit) + 1e-9
