"""Kutta's method of order 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.ode.solvers.base import FixedSolver
from corank.ode.tableau import Tableau

_TABLEAU = Tableau(nodes=(0, 1 / 2, 1), matrix=((), (1 / 2,), (-1, 2)), weights=(1 / 6, 2 / 3, 1 / 6), order=3)


@final
@dataclass(frozen=True, kw_only=True)
class Kutta3(FixedSolver):
    """Kutta's scheme of three stages and order 3."""

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return _TABLEAU
