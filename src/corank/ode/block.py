"""A layer whose output is the solution of an ordinary differential equation that its input is the start of.

Daulbaev's thesis, section 1.2. Solver and gradient method are options; with a regime of `corank.ode.meta` for a
solver it is the Meta ODE block of section 4.2. What layers do that change by being used: see `corank.ode.steady`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode.gradient import Gradient
from corank.ode.meta import Ensembling, Regime, Standalone
from corank.ode.solution import Solution
from corank.ode.solved import solved
from corank.ode.solvers import DormandPrince5, Solver
from corank.ode.solving import gradient_of
from corank.ode.statistics import Statistics
from corank.ode.steady import SteadyField, warn_of_changing_layers


class ODEBlock(nn.Module):
    """`z(t1)` of `dz/dt = f(t, z)`, `z(t0) = x`.

    Args:
        field: `f(t, z)`, of the shape of `z`.
        solver: a solver, or a regime of several.
        gradient: method by name or object.
        times: from where to where.
        generator: of a regime's draws; by default torch's global one, as dropout has it.

    Attributes:
        resamples: whether a regime draws in evaluation too; see `resampled`.
        statistics: what the last pass cost, one for each solver; the backward pass adds its own costs.

    Raises:
        InputError: times that are not two different ones, a field that is no module, an unknown solver or
            gradient method.

    Example:
        >>> from corank.ode.solvers import RK4
        >>> class Decay(nn.Module):
        ...     def forward(self, t, z):
        ...         return -z
        >>> ODEBlock(Decay(), solver=RK4(steps=10))(torch.ones(1, 1))
        tensor([[0.3679]])
    """

    def __init__(
        self,
        field: nn.Module,
        *,
        solver: Solver | Regime = DormandPrince5(rtol=1e-3, atol=1e-3),  # noqa: B008 - frozen
        gradient: str | Gradient = "auto",
        times: tuple[float, float] = (0.0, 1.0),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(field, nn.Module):
            raise InputError(f"the field of an ODE block must be a torch.nn.Module, got {type(field).__name__}")
        if len(times) != 2 or times[0] == times[1] or not all(math.isfinite(time) for time in times):
            raise InputError(f"the times of an ODE block must be two finite ones that differ, got {times}")
        if not isinstance(solver, Solver | Regime):
            raise InputError(
                f"the solver of an ODE block must be one such as DormandPrince5(), or a regime, got {solver!r}"
            )
        gradient_of(gradient)
        warn_of_changing_layers(field)
        self.field = field
        self.regime: Regime = solver if isinstance(solver, Regime) else Standalone(solver=solver)
        self.gradient = gradient
        self.times = times
        self.generator = generator
        self.resamples = False
        self.statistics: tuple[Statistics, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        """The state at the last time, of the shape of the input."""
        draws = self.training or self.resamples
        chosen = self.regime.drawn(self.generator) if draws else self.regime.settled
        field = SteadyField(self.field, x.device)
        with field.solving():
            solutions = [solved(field, x, self.times, solver, self.gradient) for _, solver in chosen]
        self.statistics = tuple(solution.statistics for solution in solutions)
        outputs = [_last(solution) for solution in solutions]
        if len(outputs) == 1:
            return outputs[0]
        return torch.stack([weight * one for (weight, _), one in zip(chosen, outputs, strict=True)]).sum(0)

    def extra_repr(self) -> str:
        """The options, as a printed network shows them."""
        return f"regime={self.regime!r}, gradient={self.gradient!r}, times={self.times}"


def blocks_of(network: nn.Module) -> dict[str, ODEBlock]:
    """The ODE blocks of a network by name.

    Example:
        >>> list(blocks_of(nn.Sequential(nn.Flatten(), ODEBlock(nn.Identity()))))
        ['1']
    """
    return {name: module for name, module in network.named_modules() if isinstance(module, ODEBlock)}


@contextmanager
def solved_with(network: nn.Module, solver: Solver | Regime) -> Iterator[None]:
    """Solve all ODE blocks of a network with another solver for a while.

    Raises:
        InputError: the network has no ODE block.
    """
    blocks = _some_blocks(network)
    before = [block.regime for block in blocks]
    for block in blocks:
        block.regime = solver if isinstance(solver, Regime) else Standalone(solver=solver)
    try:
        yield
    finally:
        for block, regime in zip(blocks, before, strict=True):
            block.regime = regime


@contextmanager
def resampled(network: nn.Module, generator: torch.Generator | None = None) -> Iterator[None]:
    """Let the regimes of a network's blocks draw in evaluation too, as they do in training.

    Args:
        network: with ODE blocks.
        generator: of the draws; by default each block's own.

    Raises:
        InputError: the network has no ODE block.
    """
    blocks = _some_blocks(network)
    before = [(block.resamples, block.generator) for block in blocks]
    for block in blocks:
        block.resamples = True
        block.generator = generator or block.generator
    try:
        yield
    finally:
        for block, (resamples, own) in zip(blocks, before, strict=True):
            block.resamples, block.generator = resamples, own


class SolverEnsemble(nn.Module):
    """The ensemble of models for free: one trained network, solved with several solvers, their probabilities averaged.

    Daulbaev's thesis, section 4.2. What it returns are logarithms of mean probabilities, which serve as logits.

    Args:
        network: with ODE blocks, answering with logits.
        solvers: each of them, or regimes.
        weights: of each; by default equal ones.

    Raises:
        InputError: no solver, weights that are not one for each, or a network without ODE blocks.
    """

    def __init__(
        self, network: nn.Module, solvers: tuple[Solver, ...], weights: tuple[float, ...] | None = None
    ) -> None:
        super().__init__()
        _some_blocks(network)
        self.network = network
        settled = Ensembling(solvers=solvers, weights=weights).settled
        self.weighted = tuple(pair for pair in settled if pair[0] > 0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(B, classes)`."""
        parts = []
        for weight, solver in self.weighted:
            with solved_with(self.network, solver):
                parts.append(math.log(weight) + torch.log_softmax(self.network(x), 1))
        return torch.logsumexp(torch.stack(parts), 0)


def _last(solution: Solution) -> Tensor:
    assert isinstance(solution.last, Tensor)
    return solution.last


def _some_blocks(network: nn.Module) -> list[ODEBlock]:
    found = list(blocks_of(network).values())
    if not found:
        raise InputError(f"a network with ODE blocks is needed, {type(network).__name__} has none")
    return found
