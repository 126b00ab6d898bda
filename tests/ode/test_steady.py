"""Layers that change by being used: what the running statistics are means of, and that replays see the same field."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from corank.ode import RK4
from corank.ode.block import ODEBlock

METHODS = ["backprop", "checkpoint", "rdm"]


class Layered(nn.Module):
    """A linear layer and another one after it."""

    def __init__(self, second: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3).double()
        self.second = second.double()
        self.inputs: list[Tensor] = []

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        inner = self.linear(z)
        self.inputs.append(inner.detach())
        return torch.tanh(self.second(inner))


def block_of(second: nn.Module, gradient: str) -> ODEBlock:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ODEBlock(Layered(second), solver=RK4(steps=3), gradient=gradient)


def points() -> Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("gradient", METHODS)
def test_running_statistics_are_the_mean_over_the_forward_solve_entered_once(gradient: str) -> None:
    block = block_of(nn.BatchNorm1d(3), gradient)
    norm, field = block.field.second, block.field
    block(points()).square().sum().backward()
    forward = field.inputs[:12]  # 3 steps of 4 stages; what comes after them is the backward pass
    means = torch.stack([inner.mean(0) for inner in forward]).mean(0)
    variances = torch.stack([inner.var(0) for inner in forward]).mean(0)
    assert torch.allclose(norm.running_mean, 0.1 * means, rtol=1e-12)
    assert torch.allclose(norm.running_var, 0.9 + 0.1 * variances, rtol=1e-12)
    assert int(norm.num_batches_tracked) == 1
    assert norm.momentum == 0.1
    assert norm.track_running_stats


def test_evaluation_leaves_the_statistics_alone() -> None:
    block = block_of(nn.BatchNorm1d(3), "backprop").eval()
    block(points())
    assert not block.field.second.running_mean.any()
    assert int(block.field.second.num_batches_tracked) == 0


def test_statistics_without_momentum_are_a_mean_over_solves() -> None:
    block = block_of(nn.BatchNorm1d(3, momentum=None), "backprop")
    for _ in range(2):
        block(points())
    forward = block.field.inputs
    assert torch.allclose(block.field.second.running_mean, torch.stack([one.mean(0) for one in forward]).mean(0))
    assert int(block.field.second.num_batches_tracked) == 2


@pytest.mark.parametrize("second", [nn.BatchNorm1d(3), nn.Dropout(0.4)])
@pytest.mark.parametrize("gradient", METHODS[1:2])
def test_a_replay_sees_the_field_of_the_solve(second: nn.Module, gradient: str) -> None:
    """The checkpointed gradient, which evaluates everything again, is that of backpropagation."""
    found = []
    for method in ("backprop", gradient):
        block, x = block_of(second, method), points()
        torch.manual_seed(5)
        block(x).square().sum().backward()
        torch.rand(3)  # what else draws meanwhile does not matter
        found.append([x.grad, *(parameter.grad for parameter in block.parameters())])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-14)


def test_a_dropout_mask_is_kept_for_a_solve_and_drawn_anew_for_the_next() -> None:
    masks: list[Tensor] = []

    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, t: Tensor, z: Tensor) -> Tensor:
            masks.append(self.drop(torch.ones_like(z)))
            return -z

    with pytest.warns(UserWarning, match="dropout inside the field of an ODE block"):
        block = ODEBlock(Kept(), solver=RK4(steps=2))
    torch.manual_seed(0)
    for _ in range(2):
        block(torch.ones(20, 5))
    first, second = masks[:8], masks[8:]
    assert all(torch.equal(mask, first[0]) for mask in first)
    assert all(torch.equal(mask, second[0]) for mask in second)
    assert not torch.equal(first[0], second[0])


def test_spectral_normalisation_takes_one_power_iteration_a_solve() -> None:
    layer = parametrizations.spectral_norm(nn.Linear(6, 4))
    own = layer.parametrizations.weight[0]
    block = block_of(nn.Identity(), "checkpoint")
    block.field.second = nn.Sequential(nn.Linear(3, 6), layer, nn.Linear(4, 3)).double()
    before = own._u.clone()
    with torch.no_grad():
        matrix = layer.parametrizations.weight.original
        v = nn.functional.normalize(matrix.T @ before, dim=0)
        expected = nn.functional.normalize(matrix @ v, dim=0)
    block(points()).sum().backward()
    assert torch.allclose(own._u, expected, rtol=1e-6)
    assert own.training


def test_batch_norm_in_a_field_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="batch normalisation inside the field"):
        ODEBlock(Layered(nn.BatchNorm1d(3)))
