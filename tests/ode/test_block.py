"""ODE blocks: the solution, their regimes, and networks solved with something else for a while."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode import RK2, RK4, DormandPrince5, Euler
from corank.ode.block import ODEBlock, SolverEnsemble, blocks_of, resampled, solved_with
from corank.ode.meta import Ensembling, Smoothing, Standalone, Switching


class Decay(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(-1.0, dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return self.rate * z


ONE = torch.ones(2, 1, dtype=torch.float64)


@pytest.mark.parametrize("gradient", ["backprop", "checkpoint", "auto"])
def test_a_block_solves_and_differentiates(gradient: str) -> None:
    block = ODEBlock(Decay(), solver=DormandPrince5(rtol=1e-8, atol=1e-8), gradient=gradient, times=(0.0, 2.0))
    output = block(ONE)
    assert torch.allclose(output, ONE * math.exp(-2), rtol=1e-6)
    output.sum().backward()
    # d/da of e^(2a) at a = -1, twice.
    assert float(block.field.rate.grad) == pytest.approx(4 * math.exp(-2), rel=1e-5)
    (counts,) = block.statistics
    assert counts.steps > 0
    assert counts.evaluations_forward > 0


def test_an_ensemble_of_solvers_is_the_weighted_mean_of_their_outputs() -> None:
    solvers, weights = (Euler(steps=2), RK4(steps=1)), (0.25, 0.75)
    block = ODEBlock(Decay(), solver=Ensembling(solvers=solvers, weights=weights))
    expected = 0.25 * 0.5**2 + 0.75 * (1 - 1 + 1 / 2 - 1 / 6 + 1 / 24)
    for mode in (True, False):
        assert torch.allclose(block.train(mode)(ONE), ONE * expected, rtol=1e-12)
    assert len(block.statistics) == 2


@torch.no_grad()
def test_random_regimes_draw_in_training_and_settle_in_evaluation() -> None:
    first, second = Euler(steps=1), Euler(steps=2)
    block = ODEBlock(Decay(), solver=Switching(solvers=(first, second)), generator=torch.Generator().manual_seed(0))
    trained = {float(block(ONE)[0]) for _ in range(30)}
    assert trained == {0.0, 0.25}
    assert {float(block.eval()(ONE)[0]) for _ in range(30)} == {0.0}
    with resampled(block):
        assert {float(block(ONE)[0]) for _ in range(30)} == {0.0, 0.25}
    assert {float(block(ONE)[0]) for _ in range(30)} == {0.0}


def test_the_same_generator_gives_the_same_draws() -> None:
    def outputs(seed: int) -> list[float]:
        regime = Smoothing(solver=RK2(u=0.5, steps=1))
        class_ = Nonlinear()
        block = ODEBlock(class_, solver=regime, generator=torch.Generator().manual_seed(seed))
        return [float(block(ONE)[0]) for _ in range(5)]

    assert outputs(3) == outputs(3) != outputs(4)


class Nonlinear(nn.Module):
    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return torch.sin(3 * z)


def test_blocks_are_found_and_given_their_solver_back() -> None:
    network = nn.Sequential(ODEBlock(Decay(), solver=Euler(steps=1)), nn.Identity())
    assert list(blocks_of(network)) == ["0"]
    with solved_with(network, Euler(steps=2)):
        assert float(network(ONE)[0]) == 0.25
    assert network[0].regime == Standalone(solver=Euler(steps=1))
    assert float(network(ONE)[0]) == 0


def test_models_for_free_average_their_probabilities() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), ODEBlock(Nonlinear(), solver=Euler(steps=1)), nn.Linear(4, 5)).double()
    solvers, x = (RK2(u=0.5, steps=1), RK2(u=1.0, steps=1)), torch.randn(6, 3, dtype=torch.float64)
    parts = []
    for solver in solvers:
        with solved_with(network, solver):
            parts.append(torch.softmax(network(x), 1))
    found = SolverEnsemble(network, solvers, (0.3, 0.7))(x)
    assert torch.allclose(found.exp(), 0.3 * parts[0] + 0.7 * parts[1], rtol=1e-10)
    assert torch.allclose(found.exp().sum(1), torch.ones(6, dtype=torch.float64))
    assert network[1].regime == Standalone(solver=Euler(steps=1))


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"field of an ODE block must be a torch.nn.Module, got function"):
        ODEBlock(lambda t, z: z)
    with pytest.raises(
        InputError, match=r"times of an ODE block must be two finite ones that differ, got \(1.0, 1.0\)"
    ):
        ODEBlock(Decay(), times=(1.0, 1.0))
    for times in ((1.0,), (0.0, math.nan), (0.0, math.inf)):
        with pytest.raises(InputError, match="times of an ODE block must"):
            ODEBlock(Decay(), times=times)
    with pytest.raises(InputError, match="gradient must be"):
        ODEBlock(Decay(), gradient="adjiont")
    with pytest.raises(InputError, match=r"solver of an ODE block must .*'dopri5'"):
        ODEBlock(Decay(), solver="dopri5")
    with pytest.raises(InputError, match="Linear has none"), solved_with(nn.Linear(1, 1), Euler(steps=1)):
        pass
    with pytest.raises(InputError, match=r"stopped at time .*larger tolerances"):
        ODEBlock(Nonlinear(), solver=DormandPrince5(rtol=1e-10, atol=1e-10, max_steps=2))(ONE)
