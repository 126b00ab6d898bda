from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.errors import InputError
from corank.experiment.theory import TheoryTraining
from corank.experiment.theory.relu import (
    ReluRun,
    accuracy_of,
    gradients,
    local_compression,
    nearest_boundary,
    opposite_points,
    perturbed,
    relu_run,
)

SMALL = TheoryTraining(width=60, learning_rate=1e-2)


@pytest.fixture(scope="module", params=[1, 2])
def run(request: pytest.FixtureRequest) -> ReluRun:
    return relu_run(6, 1, SMALL, request.param)


def test_it_learns_the_points(run: ReluRun) -> None:
    assert run.accuracy == accuracy_of(run.data, run.network) > 0.95
    again = relu_run(6, 1, SMALL, sum(isinstance(layer, nn.ReLU) for layer in run.network))  # type: ignore[arg-type]
    assert all(torch.equal(*pair) for pair in zip(run.network.parameters(), again.network.parameters(), strict=True))


def test_rho_is_the_share_of_the_feature_along_the_gradient(run: ReluRun) -> None:
    """Theorem 7, with the projection written out."""
    alphas = [0.0, 0.3, 1.0]
    found = local_compression(run, alphas, torch.Generator().manual_seed(2))
    first, second = opposite_points(run.data, 1, torch.Generator().manual_seed(2))
    assert torch.allclose(first - second, 2 * run.data.feature)
    for alpha, rho in zip(alphas, found.tolist(), strict=True):
        x = alpha * first + (1 - alpha) * second
        _, gradient = gradients(run.network, x)
        feature = (first - x) - (second - x)
        projected = torch.linalg.lstsq(gradient.T, feature.T).solution * gradient
        assert rho == pytest.approx(float(projected.norm() / feature.norm()))


def test_the_perturbation_changes_the_class_and_is_not_much_longer_than_any_other(run: ReluRun) -> None:
    points, _ = opposite_points(run.data, 5, torch.Generator().manual_seed(0))
    lengths, ends = nearest_boundary(run.network, points)
    before, after = (gradients(run.network, x)[0] for x in (points, ends))
    assert bool((before * after < 0).all())
    assert float(after.abs().max()) < 1e-6
    assert torch.allclose((ends - points).norm(dim=1), lengths)
    chance = torch.Generator().manual_seed(1)
    _, at_end = gradients(run.network, ends)
    for point, length, direction in zip(points, lengths, at_end, strict=True):
        around = torch.randn(4000, 6, dtype=torch.float64, generator=chance)
        around = around / around.norm(dim=1, keepdim=True) + torch.randn(4000, 1, generator=chance) * direction / (
            direction.norm()
        )
        around = 0.98 * length * around / around.norm(dim=1, keepdim=True)
        sides = gradients(run.network, point + around)[0].sign()
        assert bool((sides == gradients(run.network, point[None])[0].sign()).all())


def test_of_a_linear_network_the_perturbation_is_exact() -> None:
    network = nn.Linear(5, 2).double()
    x = torch.randn(7, 5, dtype=torch.float64)
    g, gradient = gradients(network, x)
    lengths, _ = nearest_boundary(network, x)
    assert lengths.detach().numpy() == pytest.approx((g.abs() / gradient.norm(dim=1)).detach().numpy(), rel=1e-9)


def test_the_cosine_at_the_end_is_the_share_of_the_feature_that_is_needed() -> None:
    run = relu_run(6, 1, SMALL)
    points, _ = opposite_points(run.data, 10, torch.Generator().manual_seed(0))
    found = perturbed(run, points)
    assert float((found.cosines.abs() - found.lengths / run.data.feature.norm()).mean().abs()) < 0.1
    assert bool((found.cosines < 0).all()), "the first logit is that of the last sign -1"


def test_a_network_of_one_class_has_no_boundary() -> None:
    network = nn.Linear(3, 2).double()
    nn.init.zeros_(network.weight)
    with pytest.raises(InputError, match="no change of class was found from 4 points"):
        nearest_boundary(network, torch.randn(4, 3, dtype=torch.float64))
    with pytest.raises(InputError, match="hidden_layers must be at least 1, got 0"):
        relu_run(5, 0, SMALL, 0)


def test_of_a_smooth_network_the_way_ends_across_the_boundary() -> None:
    """The condition of the nearest point: the gradient there is along the way that was gone."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(4, 20), nn.Tanh(), nn.Linear(20, 2)).double()
    points = torch.randn(50, 4, dtype=torch.float64)
    lengths, ends = nearest_boundary(network, points, steps=200)
    met = (lengths < 1).nonzero()[:, 0]
    assert len(met) > 10
    way, (_, gradient) = (ends - points)[met], gradients(network, ends[met])
    cosines = torch.nn.functional.cosine_similarity(way, gradient).abs()
    assert float(cosines.min()) > 1 - 1e-6
