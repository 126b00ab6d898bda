"""The classical Runge-Kutta method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.ode.solvers.base import FixedSolver
from corank.ode.tableau import Tableau

_TABLEAU = Tableau(
    nodes=(0, 1 / 2, 1 / 2, 1),
    matrix=((), (1 / 2,), (0, 1 / 2), (0, 0, 1)),
    weights=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    order=4,
)


@final
@dataclass(frozen=True, kw_only=True)
class RK4(FixedSolver):
    """The classical scheme of four stages and order 4."""

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return _TABLEAU
