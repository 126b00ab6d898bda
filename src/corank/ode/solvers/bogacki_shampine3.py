"""The pair 3(2) of Bogacki and Shampine (1989)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.ode.solvers.base import AdaptiveSolver
from corank.ode.tableau import Tableau

_TABLEAU = Tableau(
    nodes=(0, 1 / 2, 3 / 4, 1),
    matrix=((), (1 / 2,), (0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
    weights=(2 / 9, 1 / 3, 4 / 9, 0),
    order=3,
    embedded=(7 / 24, 1 / 4, 1 / 3, 1 / 8),
    embedded_order=2,
    dense=((1, -4 / 3, 5 / 9), (0, 1, -2 / 3), (0, 4 / 3, -8 / 9), (0, -1, 1)),
    dense_order=3,
)


@final
@dataclass(frozen=True, kw_only=True)
class BogackiShampine3(AdaptiveSolver):
    """Order 3 with an error estimate of order 2 and cubic dense output, for low accuracy; three evaluations a step."""

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return _TABLEAU
