"""The midpoint rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.ode.solvers.base import FixedSolver
from corank.ode.tableau import Tableau

_TABLEAU = Tableau(nodes=(0, 1 / 2), matrix=((), (1 / 2,)), weights=(0, 1), order=2)


@final
@dataclass(frozen=True, kw_only=True)
class Midpoint(FixedSolver):
    """The explicit midpoint rule: two stages, order 2."""

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return _TABLEAU
