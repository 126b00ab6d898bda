"""Proximal steps reach the minimisers of penalised objectives, with each group's own step size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor, nn
from torch.optim import SGD

from corank.errors import InputError
from corank.train import L1, Cosine, EpochEnd, GroupLasso, NuclearNorm, Penalty, ProximalSteps, fit

PENALTIES: list[Penalty] = [L1(strength=0.3), GroupLasso(strength=0.3), NuclearNorm(strength=0.3)]
every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda penalty: type(penalty).__name__)


def half_squares(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (network(x) - y).square().sum(1).mean() / 2


def regression() -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(3)
    x = torch.randn(60, 6, generator=chance, dtype=torch.float64)
    truth = torch.randn(3, 6, generator=chance, dtype=torch.float64)
    truth[:, 2:] *= 0.05
    return x, x @ truth.T + 0.1 * torch.randn(60, 3, generator=chance, dtype=torch.float64)


def solved(penalty: Penalty) -> nn.Linear:
    network = nn.Linear(6, 3, bias=False).double()
    steps = ProximalSteps(network=network, penalty=penalty, optimiser=partial(SGD, lr=0.3))
    fit(network, [regression()], epochs=400, optimiser=steps, objective=half_squares)
    return network


def test_they_find_the_lasso_solution() -> None:
    x, y = regression()
    expected = Lasso(alpha=0.3, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x.numpy(), y.numpy()).coef_
    found = solved(L1(strength=0.3)).weight.detach()
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-8, atol=1e-8)
    assert torch.equal(found == 0, torch.from_numpy(expected == 0))
    assert 0 < int((found == 0).sum()) < found.numel()


@every_penalty
def test_no_point_near_their_limit_has_a_lower_objective(penalty: Penalty) -> None:
    network, (x, y) = solved(penalty), regression()
    reached = network.weight.detach().clone()

    @torch.no_grad()
    def objective() -> float:
        return float(half_squares(network, x, y) + penalty(network))

    least = objective()
    for step in (1e-1, 1e-3, 1e-5):
        for _ in range(20):
            network.weight.data = reached + step * torch.randn_like(reached)
            assert objective() > least - 1e-14


def test_penalties_bring_the_structure_that_they_name() -> None:
    columns = solved(GroupLasso(strength=0.3)).weight.detach()
    is_unused = (columns == 0).all(0)
    assert 0 < int(is_unused.sum()) < 6
    assert bool((columns[:, ~is_unused] != 0).all())
    assert torch.linalg.matrix_rank(solved(NuclearNorm(strength=0.3)).weight.detach(), rtol=1e-9) == 2


def two_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


@every_penalty
def test_a_step_is_the_gradient_step_and_the_map_with_the_step_size_of_the_group(penalty: Penalty) -> None:
    network = two_layers()
    x, y = torch.randn(8, 3).double(), torch.randn(8, 2).double()
    rates = {"0.weight": 0.2, "0.bias": 0.2, "2.weight": 0.05, "2.bias": 0.05}
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    half_squares(network, x, y).backward()
    gradients = {name: value.grad for name, value in network.named_parameters()}
    groups = [{"params": list(network[0].parameters()), "lr": 0.2}, {"params": list(network[2].parameters())}]
    steps = ProximalSteps(network=network, penalty=penalty, optimiser=partial(SGD, lr=0.05))
    optimiser = steps(groups)
    optimiser.step()
    for name, value in network.named_parameters():
        moved = before[name] - rates[name] * gradients[name]
        if value.ndim > 1:
            moved = penalty.proximal([moved], rates[name] * penalty.strength)[0]
        torch.testing.assert_close(value.detach(), moved, rtol=0, atol=1e-15)


def test_the_threshold_follows_the_schedule() -> None:
    """Without a gradient every step lowers the weights by its own rate times the strength."""
    network = nn.Linear(1, 2, bias=False).double()
    network.weight.data[:] = 1.0
    heights: list[float] = []

    def keep(end: EpochEnd) -> None:
        heights.append(network.weight[0].item())

    steps = ProximalSteps(network=network, penalty=L1(strength=0.5), optimiser=partial(SGD, lr=0.1))
    nothing: Callable[..., Tensor] = lambda network, x, y: 0 * network(x).sum()  # noqa: E731
    batch = torch.zeros(4, 1).double(), torch.zeros(4).long()
    fit(network, [batch], epochs=3, optimiser=steps, objective=nothing, schedule=Cosine(), callbacks=[keep])
    taken = 0.05 * torch.tensor([Cosine()((step + 0.5) / 3) for step in range(3)])
    torch.testing.assert_close(torch.tensor(heights), 1 - taken.cumsum(0))


def test_frozen_weights_and_those_of_no_group_stay() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].weight.requires_grad_(False)
    before = [layer.weight.detach().clone() for layer in network]
    steps = ProximalSteps(network=network, penalty=L1(strength=1.0), optimiser=partial(SGD, lr=0.01))
    optimiser = steps([*network[0].parameters(), *network[1].parameters()])
    network(torch.randn(3, 2)).sum().backward()
    optimiser.step()
    assert [torch.equal(layer.weight, old) for layer, old in zip(network, before, strict=True)] == [True, False, True]


def test_a_penalty_without_trained_weights_is_refused() -> None:
    network = two_layers()
    steps = ProximalSteps(network=network, penalty=L1(strength=1.0, layers="0"))
    with pytest.raises(InputError, match="penalty on '0' must have a weight that is trained, got none"):
        steps(network[2].parameters())


class Stopped(Exception):
    pass


@pytest.mark.parametrize("penalty", [L1(strength=0.05), NuclearNorm(strength=0.05)])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(penalty: Penalty, tmp_path: Path) -> None:
    def trained(folder: Path | None, stop: int = 0, penalty: Penalty = penalty) -> list[Tensor]:
        torch.manual_seed(5)
        network, batch = two_layers(), (torch.randn(16, 3).double(), torch.arange(16) % 2)
        steps = ProximalSteps(network=network, penalty=penalty, optimiser=partial(SGD, lr=0.1))

        def interrupt(end: EpochEnd) -> None:
            if end.epoch == stop:
                raise Stopped

        fit(network, [batch], epochs=6, optimiser=steps, checkpoint=folder, callbacks=[interrupt])
        return [value.detach() for value in network.parameters()]

    whole = trained(None)
    with pytest.raises(Stopped):
        trained(tmp_path, stop=4)
    with pytest.raises(InputError, match="penalty"):
        trained(tmp_path, penalty=L1(strength=0.06))
    assert all(torch.equal(one, other) for one, other in zip(whole, trained(tmp_path), strict=True))
