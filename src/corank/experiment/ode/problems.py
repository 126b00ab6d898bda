"""Fields on which gradient methods are compared: a density's, and convolutional blocks with and without kinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.errors import InputError, near
from corank.ode.concatsquash import ConcatSquashField
from corank.ode.solvers import RK4
from corank.ode.solving import solve
from corank.zoo.data.densities import moons

BATCH = 100
TRAINING_STEPS = 1000
CHANNELS, IMAGES, PIXELS = 64, 32, 8
DISSIPATION = 25.0


@dataclass(frozen=True, kw_only=True)
class ODEProblem:
    """A field with its first state and a loss of the last one.

    Attributes:
        field: f(t, z).
        z0: the first state.
        times: from where to where.
        loss: of the state at the last time.
        reference_tolerance: of the float64 solve that stands for the truth, as small as the field's cost allows.
    """

    field: nn.Module
    z0: Tensor
    times: tuple[float, float]
    loss: Callable[[Tensor], Tensor]
    reference_tolerance: float = 1e-9


class _WithDivergence(nn.Module):
    """A density's field: points and the integral of the divergence beside them."""

    def __init__(self, field: ConcatSquashField) -> None:
        super().__init__()
        self.field = field

    def forward(self, t: Tensor, state: Tensor) -> Tensor:
        """The derivative of both."""
        moved, divergence = self.field.with_divergence(t, state[..., :-1])
        return torch.cat([moved, divergence.unsqueeze(-1)], -1)


class _Convolutions(nn.Module):
    """Two convolutions of 3 x 3 with activations before them, in the weights' size 1.5 times He's."""

    def __init__(self, activation: nn.Module, dissipation: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            activation,
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            activation,
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        )
        self.dissipation = dissipation
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=1.5 * (2 / (9 * CHANNELS)) ** 0.5)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The block's derivative."""
        moved: Tensor = self.layers(z)
        return moved - self.dissipation * z if self.dissipation else moved


def density_problem(
    seed: int = 0,
    *,
    sample: Callable[[int, torch.Generator], Tensor] = moons,
    batch: int = BATCH,
    training_steps: int = TRAINING_STEPS,
) -> ODEProblem:
    """A concatsquash flow of 64-64 units, trained on two moons or another density (TD, section 2.5.2).

    Args:
        seed: of weights and points.
        sample: points of the density.
        batch: points of the problem.
        training_steps: of Adam, on other points.
    """
    chance = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        field = _WithDivergence(ConcatSquashField(2))
    adam = torch.optim.Adam(field.parameters(), lr=3e-3)
    solver = RK4(steps=8)
    for _ in range(training_steps):
        adam.zero_grad()
        state = solve(field, _at_zero(sample(BATCH, chance)), (1.0, 0.0), solver=solver, gradient="backprop").last
        assert isinstance(state, Tensor)
        _nll(state).backward()  # type: ignore[no-untyped-call]
        adam.step()
    adam.zero_grad()
    return ODEProblem(field=field, z0=_at_zero(sample(batch, chance)), times=(1.0, 0.0), loss=_nll)


def _at_zero(points: Tensor) -> Tensor:
    return torch.cat([points, torch.zeros_like(points[:, :1])], 1)


def _nll(state: Tensor) -> Tensor:
    return (0.5 * state[:, :2].square().sum(1) - state[:, 2]).mean()


def _block_problem(seed: int, activation: Callable[[], nn.Module], dissipation: float) -> ODEProblem:
    chance = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        field = _Convolutions(activation(), dissipation)
    shape = (IMAGES, CHANNELS, PIXELS, PIXELS)
    z0 = torch.randn(shape, generator=chance)
    return ODEProblem(field=field, z0=z0, times=(0.0, 1.0), loss=lambda z: z.square().mean(), reference_tolerance=1e-7)


PROBLEMS: dict[str, Callable[[int], ODEProblem]] = {
    "cnf-moons": density_problem,
    "conv-block": lambda seed: _block_problem(seed, nn.Softplus, 0.0),
    "dissipative": lambda seed: _block_problem(seed, nn.Softplus, DISSIPATION),
    "relu": lambda seed: _block_problem(seed, nn.ReLU, 0.0),
}


def check_problem(name: str) -> None:
    """Refuse an unknown problem.

    Raises:
        InputError: an unknown name.
    """
    if name not in PROBLEMS:
        raise InputError(f"unknown problem {name!r}; {near(name, PROBLEMS)}")


def ode_problem(name: str, seed: int = 0) -> ODEProblem:
    """A problem by name; the density's takes half a minute to train.

    Raises:
        InputError: an unknown name.
    """
    check_problem(name)
    return PROBLEMS[name](seed)
