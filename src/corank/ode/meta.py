"""Meta-solvers: regimes that let an ODE block see more than one solver while it trains.

Daulbaev's thesis, section 4.2. Solvers of one family solve the same equation; a network that is trained with all of
them relies less on the error of any. A regime says with which solvers, and with which weights, one pass through a
block is solved: while it trains, and when it is evaluated. A random solver can look robust for hiding gradients, so
that evaluation uses a fixed one, unless `resampled` asks for draws.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import final

import torch

from corank.errors import InputError
from corank.ode.solvers import FixedSolver, Solver

Weighted = tuple[tuple[float, Solver], ...]
"""Solvers with the weights of their outputs, which sum to one."""

PARAMETERS = ("u", "v")
_SIGMAS = 2.0


@dataclass(frozen=True, kw_only=True)
class Regime(ABC):
    """With which solvers a block is passed through."""

    @abstractmethod
    def drawn(self, generator: torch.Generator | None = None) -> Weighted:
        """The solvers of one pass in training; chance comes from the generator, or else from torch's global one."""

    @property
    @abstractmethod
    def settled(self) -> Weighted:
        """The solvers of evaluation, where nothing is drawn."""

    def __str__(self) -> str:
        return type(self).__name__.lower()


@final
@dataclass(frozen=True, kw_only=True)
class Standalone(Regime):
    """One solver.

    Args:
        solver: the one.
    """

    solver: Solver

    def drawn(self, generator: torch.Generator | None = None) -> Weighted:
        """The solver."""
        return self.settled

    @property
    def settled(self) -> Weighted:
        """The solver."""
        return ((1.0, self.solver),)


@final
@dataclass(frozen=True, kw_only=True)
class Switching(Regime):
    """One solver of a set, drawn anew in each pass.

    Args:
        solvers: the set; the first is the one of evaluation.
        probabilities: of each; by default equal ones.

    Raises:
        InputError: no solver, or probabilities that are not one for each and sum to one.
    """

    solvers: tuple[Solver, ...]
    probabilities: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _check_weights("probabilities", self.solvers, self.probabilities)

    def drawn(self, generator: torch.Generator | None = None) -> Weighted:
        """One of the solvers."""
        chances = torch.tensor(_or_equal(self.probabilities, len(self.solvers)))
        place = int(torch.multinomial(chances, 1, generator=generator))
        return ((1.0, self.solvers[place]),)

    @property
    def settled(self) -> Weighted:
        """The first solver."""
        return ((1.0, self.solvers[0]),)


@final
@dataclass(frozen=True, kw_only=True)
class Smoothing(Regime):
    """A solver of a continuous family, its parameters drawn anew in each pass from normal distributions.

    As the thesis' code has it, 0.0125 is a standard deviation and a draw further than two of them from the mean becomes
    the mean; so does one that the family has no scheme for.

    Args:
        solver: a member of a family with parameters u, or u and v, which are the means; that of evaluation.
        deviation: the standard deviation of each parameter.

    Raises:
        InputError: a solver without parameters, or a deviation that is not positive.

    Example:
        >>> from corank.ode.solvers import RK2
        >>> regime = Smoothing(solver=RK2(u=0.5, steps=8))
        >>> (_, solver), = regime.drawn(torch.Generator().manual_seed(0))
        >>> 0 < abs(solver.u - 0.5) <= 0.025
        True
    """

    solver: FixedSolver
    deviation: float = 0.0125

    def __post_init__(self) -> None:
        if not self._names:
            raise InputError(
                f"smoothing needs a solver with a parameter u (rk2, rk3, rk4-family), got {type(self.solver).__name__}"
            )
        if not 0 < self.deviation < math.inf:
            raise InputError(f"deviation must be positive, got {self.deviation}")

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(field.name for field in fields(self.solver) if field.name in PARAMETERS)

    def drawn(self, generator: torch.Generator | None = None) -> Weighted:
        """The solver with drawn parameters."""
        values = {}
        for name in self._names:
            draw = float(torch.randn((), generator=generator))
            mean = getattr(self.solver, name)
            values[name] = mean if abs(draw) > _SIGMAS else mean + self.deviation * draw
        try:
            return ((1.0, replace(self.solver, **values)),)
        except InputError:
            return self.settled

    @property
    def settled(self) -> Weighted:
        """The solver with the mean parameters."""
        return ((1.0, self.solver),)


@final
@dataclass(frozen=True, kw_only=True)
class Ensembling(Regime):
    """The weighted mean of what several solvers make of the block; costs as much as all of them.

    Args:
        solvers: the set.
        weights: of each; by default equal ones.

    Raises:
        InputError: no solver, or weights that are not one for each and sum to one.
    """

    solvers: tuple[Solver, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _check_weights("weights", self.solvers, self.weights)

    def drawn(self, generator: torch.Generator | None = None) -> Weighted:
        """All solvers."""
        return self.settled

    @property
    def settled(self) -> Weighted:
        """All solvers."""
        return tuple(zip(_or_equal(self.weights, len(self.solvers)), self.solvers, strict=True))


def _or_equal(weights: tuple[float, ...] | None, count: int) -> tuple[float, ...]:
    return (1 / count,) * count if weights is None else weights


def _check_weights(name: str, solvers: tuple[Solver, ...], weights: tuple[float, ...] | None) -> None:
    if not solvers:
        raise InputError("a regime needs at least one solver, got none")
    if weights is None:
        return
    if len(weights) != len(solvers) or min(weights) < 0 or abs(sum(weights) - 1) > 1e-6:
        raise InputError(
            f"{name} must be {len(solvers)} numbers of at least 0 that sum to 1, one for each solver, got {weights}"
        )
