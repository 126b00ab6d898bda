"""The three-stage schemes of order 3, one for each u and v (Daulbaev's thesis, section 4.1; Butcher, section 32)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

from corank.errors import InputError
from corank.ode.solvers.base import FixedSolver
from corank.ode.tableau import Tableau


@final
@dataclass(frozen=True, kw_only=True)
class RK3(FixedSolver):
    """The family c = (0, u, v), singular at u = v, u = 0, v = 0 and u = 2/3.

    Attributes:
        u: where the second stage is evaluated.
        v: where the third stage is evaluated; (1/2, 1) is Kutta's scheme, (1/3, 2/3) Heun's of order 3.

    Raises:
        InputError: on a singular curve or next to it, where coefficients grow without bound.

    Example:
        >>> [round(weight, 4) for weight in RK3(u=0.5, v=1).tableau.weights]
        [0.1667, 0.6667, 0.1667]
    """

    u: float
    v: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.tableau

    @cached_property
    def tableau(self) -> Tableau:
        """The coefficients."""
        u, v = self.u, self.v
        if not (0 < u <= 1 and 0 < v <= 1):
            raise InputError(f"u and v must be above 0 and up to 1, got {u} and {v}")
        if u == v or 3 * u == 2:
            raise InputError(f"u must differ from v and from 2/3, got u {u} and v {v}: the family is singular there")
        b2 = (3 * v - 2) / (6 * u * (v - u))
        b3 = (2 - 3 * u) / (6 * v * (v - u))
        a32 = v * (v - u) / (u * (2 - 3 * u))
        return Tableau(nodes=(0, u, v), matrix=((), (u,), (v - a32, a32)), weights=(1 - b2 - b3, b2, b3), order=3)
