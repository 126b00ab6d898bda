"""Euler's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.ode.solvers.base import FixedSolver
from corank.ode.tableau import Tableau

_TABLEAU = Tableau(nodes=(0,), matrix=((),), weights=(1,), order=1)


@final
@dataclass(frozen=True, kw_only=True)
class Euler(FixedSolver):
    """Euler's method, of order 1."""

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return _TABLEAU
