"""Flows: densities that sum up to one, changes of variables that autograd confirms, ways there and back."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode import RK4, DormandPrince5
from corank.ode.divergence import Divergence, Exact, Hutchinson
from corank.ode.flow import Flow, NegativeLogDensity
from corank.ode.flow_options import FlowOptions

TIGHT = DormandPrince5(rtol=1e-8, atol=1e-8)


def flow_of(blocks: int = 2, solver: object = TIGHT, **options: object) -> Flow:
    """A flow that bends the plane."""
    built = FlowOptions(hidden=(12,), blocks=blocks).build(2, generator=torch.Generator().manual_seed(0))
    for parameter in built.parameters():
        parameter.data *= 2
    return Flow(list(built.fields), dimension=2, solver=solver, **options).double()


def points(count: int = 5) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_density_sums_up_to_one() -> None:
    flow = flow_of(mean=(0.5, -1.0), std=(2.0, 0.6), solver=DormandPrince5(rtol=1e-5, atol=1e-5))
    x, y = torch.linspace(-14, 15, 150, dtype=torch.float64), torch.linspace(-6, 4, 150, dtype=torch.float64)
    with torch.no_grad():
        density = flow.log_density(torch.cartesian_prod(x, y)).exp()
    total = float(density.sum()) * float(x[1] - x[0]) * float(y[1] - y[0])
    # A sum over a grid is exact to rounding for smooth functions that vanish at the edges; the rest is the solver's.
    assert total == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_change_of_variables_is_that_of_the_jacobian(blocks: int) -> None:
    flow, x = flow_of(blocks), points()
    with torch.no_grad():
        z, change = flow.encoded(x)
    jacobians = [torch.autograd.functional.jacobian(lambda p: flow.encoded(p[None])[0][0], one) for one in x]
    expected = torch.linalg.slogdet(torch.stack(jacobians))[1]
    assert torch.allclose(-change, expected, atol=1e-5)
    gaussian = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    assert torch.allclose(flow.log_density(x), gaussian + expected, atol=1e-5)


def test_a_linear_field_makes_the_gaussian_that_is_known() -> None:
    class Grow(nn.Module):
        def forward(self, t: Tensor, z: Tensor) -> Tensor:
            return 0.5 * z

    flow, x = Flow([Grow(), Grow()], dimension=2, solver=TIGHT, end_time=1.5).double(), points()
    wide = torch.distributions.Normal(0.0, math.exp(0.5 * 2 * 1.5))
    assert torch.allclose(flow.log_density(x), wide.log_prob(x).sum(1), atol=1e-6)


def test_there_and_back() -> None:
    flow = flow_of(3, mean=(1.0, 2.0), std=(0.5, 3.0))
    ways = flow.trajectories(6, 4, torch.Generator().manual_seed(3))
    assert ways.shape == (13, 6, 2)
    start = torch.randn(6, 2, generator=torch.Generator().manual_seed(3)).double()
    scaled = start * flow.std + flow.mean
    assert torch.allclose(ways[0], scaled)
    assert torch.allclose(flow.encoded(ways[-1])[0], start, atol=1e-5)
    samples = flow.sample(6, torch.Generator().manual_seed(3))
    assert torch.allclose(samples, ways[-1], atol=1e-5)
    assert torch.equal(samples, flow.sample(6, torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("gradient", ["backprop", "checkpoint", "quadrature"])
@pytest.mark.parametrize("divergence", [Exact(), Hutchinson()])
def test_gradients_are_those_of_tight_backpropagation(gradient: str, divergence: Divergence) -> None:
    found = []
    for solver, method in ((RK4(steps=40), "backprop"), (DormandPrince5(rtol=1e-7, atol=1e-7), gradient)):
        flow = flow_of(2, solver, gradient=method, divergence=divergence)
        torch.manual_seed(7)  # of the noise
        NegativeLogDensity()(flow, points(), torch.zeros(5)).backward()
        found.append(torch.cat([parameter.grad.flatten() for parameter in flow.parameters()]))
    error = float((found[0] - found[1]).norm() / found[0].norm())
    assert error < 1e-4


def test_the_noise_is_drawn_once_a_solve_and_by_the_generator() -> None:
    flow, x = flow_of(1, divergence=Hutchinson()), points()
    first = flow.log_density(x, torch.Generator().manual_seed(0))
    assert torch.equal(first, flow.log_density(x, torch.Generator().manual_seed(0)))
    assert not torch.equal(first, flow.log_density(x, torch.Generator().manual_seed(1)))
    # Drawn anew in each evaluation, the noise would be an error that no step is small enough for.
    steps = flow.statistics[0].steps
    flow.divergence = Exact()
    flow.log_density(x)
    assert steps <= 2 * flow.statistics[0].steps


def test_costs_are_counted_block_by_block() -> None:
    flow = flow_of(2)
    flow(points()).sum().backward()
    assert len(flow.statistics) == 2
    assert all(one.evaluations_forward > 0 for one in flow.statistics)


def test_options_build_what_they_say() -> None:
    options = FlowOptions(blocks=2, hidden=(5,), divergence="gaussian", solver="rk4", solver_steps=6)
    flow = FlowOptions.read(options.to_dict()).build(3, generator=torch.Generator().manual_seed(0))
    assert flow.solver == RK4(steps=6)
    assert flow.divergence == Hutchinson(noise_kind="gaussian")
    assert len(flow.fields) == 2
    again = options.build(3, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(one, two) for one, two in zip(flow.parameters(), again.parameters(), strict=True))


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"points must be \(B, 2\), got shape \(3, 4\)"):
        flow_of().log_density(torch.zeros(3, 4))
    with pytest.raises(InputError, match="end_time must be positive, got 0"):
        flow_of(end_time=0)
    with pytest.raises(InputError, match="std must be 2 numbers, one a coordinate, got 1"):
        flow_of(std=(1.0,))
    with pytest.raises(InputError, match="std must be positive, got"):
        flow_of(std=(1.0, 0.0))
    with pytest.raises(InputError, match="at least one field and one dimension, got 0 and 2"):
        Flow([], dimension=2)
    with pytest.raises(InputError, match="at least one point must be drawn, got 0"):
        flow_of().sample(0)
    with pytest.raises(InputError, match="steps must be at least 1, got 0"):
        flow_of().decoded(points(), 0)
    for wrong, message in (
        ({"blocks": 0}, "blocks must be at least 1, got 0"),
        ({"divergence": "pink"}, "unknown divergence 'pink'"),
        ({"solver": "rk5"}, "unknown solver 'rk5'"),
        ({"solver": "rk4", "rtol": 1e-3}, "solver rk4 has no rtol, got 0.001"),
        ({"solver_steps": 0}, "solver_steps must be at least 1, got 0"),
        ({"gradient": "guess"}, "guess"),
    ):
        with pytest.raises(InputError, match=message):
            FlowOptions(**wrong)
    with pytest.raises(InputError, match="unknown option 'hiden' of a flow: did you mean hidden"):
        FlowOptions.read({"hiden": (3,)})
