"""The two-stage schemes of order 2, one for each u (Daulbaev's thesis, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

from corank.errors import InputError
from corank.ode.solvers.base import FixedSolver
from corank.ode.tableau import Tableau


@final
@dataclass(frozen=True, kw_only=True)
class RK2(FixedSolver):
    """The family c_2 = a_21 = u, b_2 = 1/(2u), b_1 = 1 - b_2.

    Attributes:
        u: where the second stage is evaluated, above 0 and up to 1: 1/2 is the midpoint rule, 1 Heun's method.

    Example:
        >>> RK2(u=0.5).tableau.weights
        (0.0, 1.0)
    """

    u: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.u <= 1:
            raise InputError(f"u must be above 0 and up to 1, got {self.u}")
        _ = self.tableau

    @cached_property
    def tableau(self) -> Tableau:
        """The coefficients."""
        b2 = 1 / (2 * self.u)
        return Tableau(nodes=(0, self.u), matrix=((), (self.u,)), weights=(1 - b2, b2), order=2)
