"""Kutta's 3/8 rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.ode.solvers.base import FixedSolver
from corank.ode.tableau import Tableau

_TABLEAU = Tableau(
    nodes=(0, 1 / 3, 2 / 3, 1),
    matrix=((), (1 / 3,), (-1 / 3, 1), (1, -1, 1)),
    weights=(1 / 8, 3 / 8, 3 / 8, 1 / 8),
    order=4,
)


@final
@dataclass(frozen=True, kw_only=True)
class ThreeEighths(FixedSolver):
    """The 3/8 rule, of four stages and order 4: what torchdiffeq calls rk4."""

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return _TABLEAU
