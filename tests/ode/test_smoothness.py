"""The (S, n)-criterion: its verdict where it is known what the right one is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode import DormandPrince5, Euler
from corank.ode.block import ODEBlock
from corank.ode.smoothness import smoothness

Batches = list[tuple[Tensor, Tensor]]


class Turn(nn.Module):
    """A slow rotation: as smooth a system as there is."""

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return 0.5 * torch.stack([-z[:, 1], z[:, 0]], 1)


class Line(nn.Module):
    """A field on a line, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(1, 16), nn.Linear(16, 1)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        found: Tensor = self.outer(torch.tanh(self.inner(z)))
        return found


class Sides(nn.Module):
    """The logits of lying to the right and to the left of nought."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([z[:, :1], -z[:, :1]], 1)


def rotated(solver: object) -> tuple[nn.Module, Batches]:
    x = torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    turn = torch.tensor(0.5)
    exact = x[:, 0] * turn.cos() - x[:, 1] * turn.sin()  # the first coordinate after the rotation
    return nn.Sequential(ODEBlock(Turn(), solver=solver), Sides()), [(x, (exact < 0).long())]


def swapped() -> tuple[nn.Module, Batches]:
    """Two points on a line whose classes only the steps of Euler's method can exchange.

    Trajectories on a line keep their order, so that no solution is right for both.
    """
    torch.manual_seed(0)
    side = torch.tensor([-1.0, 1.0]).repeat(100)
    x = (side + 0.1 * torch.randn(200, generator=torch.Generator().manual_seed(1)))[:, None]
    y = (side > 0).long()  # the logits of "left" come second, so that the right side has to go left
    network = nn.Sequential(ODEBlock(Line(), solver=Euler(steps=2), gradient="backprop"), Sides())
    optimiser = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(200):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    return network, [(x, y)]


@pytest.mark.parametrize("solver", [Euler(steps=8), DormandPrince5(rtol=1e-4, atol=1e-4)])
def test_a_smooth_system_is_called_so(solver: object) -> None:
    network, batches = rotated(solver)
    found = smoothness(network, batches, tolerance=0.03)
    assert found.verdict == "smooth"
    assert min(row.accuracy for row in found.stronger) > 0.97
    assert found.samples == 600


def test_a_network_that_learnt_the_steps_of_euler_is_not_smooth() -> None:
    network, batches = swapped()
    found = smoothness(network, batches, evaluations=(4, 32, 64))
    assert found.trained.accuracy == 1
    assert found.verdict == "not smooth"
    # No solution of the equation is right for both classes: one is lost, or the solution is not exact.
    exact = [row for row in found.stronger if row.solver == "RK4" and row.evaluations == 64]
    assert exact[0].accuracy <= 0.55


def test_rows_report_steps_and_evaluations() -> None:
    network, batches = rotated(Euler(steps=2))
    found = smoothness(network, batches)
    assert (found.trained.steps, found.trained.evaluations) == (2, 2)
    assert [(row.solver, row.steps, row.evaluations) for row in found.stronger] == [
        ("Euler", 4, 4), ("Euler", 8, 8), ("Euler", 16, 16),
        ("RK2", 2, 4), ("RK2", 4, 8), ("RK2", 8, 16),
        ("RK4", 1, 4), ("RK4", 2, 8), ("RK4", 4, 16),
    ]  # fmt: skip


def test_a_drop_has_the_standard_error_of_its_samples() -> None:
    network, batches = swapped()
    found = smoothness(network, batches, evaluations=(16,))
    for row in found.stronger:
        assert row.drop == pytest.approx(found.trained.accuracy - row.accuracy)
        # Here every difference is 0 or 1: a share with its binomial error.
        assert row.standard_error == pytest.approx((row.drop * (1 - row.drop) / found.samples) ** 0.5)


def test_few_samples_and_untrained_networks_decide_nothing() -> None:
    network, [(x, y)] = rotated(Euler(steps=2))
    assert smoothness(network, [(x[:20], y[:20])], tolerance=0.0).verdict in ("undecided", "smooth")
    found = smoothness(network, [(x, 1 - y)])
    assert found.verdict == "undecided"
    assert "train it first" in found.message


def test_the_network_comes_back_as_it_was() -> None:
    network, batches = rotated(Euler(steps=2))
    network.train()
    smoothness(network, batches)
    assert network.training
    assert network[0].regime.settled == ((1.0, Euler(steps=2)),)


def test_wrong_input_is_refused() -> None:
    network, batches = rotated(Euler(steps=8))
    with pytest.raises(InputError, match=r"multiples of 4, .*, got 6"):
        smoothness(network, batches, evaluations=(6,))
    with pytest.raises(InputError, match=r"stronger solvers than the 8 evaluations .*, got \[4\]"):
        smoothness(network, batches, evaluations=(4,))
    with pytest.raises(InputError, match="tolerance must be at least 0 and below 1, got 1"):
        smoothness(network, batches, tolerance=1)
    with pytest.raises(InputError, match="Sides has none"):
        smoothness(Sides(), batches)
    with pytest.raises(InputError, match="no samples"):
        smoothness(network, [])
    several = nn.Sequential(ODEBlock(Turn(), solver=Euler(steps=1)), ODEBlock(Turn(), solver=Euler(steps=2)), Sides())
    with pytest.raises(InputError, match="have several"):
        smoothness(several, batches)
