"""The four-stage schemes of order 4, one for each u and v (Daulbaev's thesis, section 4.1; Butcher, section 32)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

from corank.errors import InputError
from corank.ode.solvers.base import FixedSolver
from corank.ode.tableau import Tableau


@final
@dataclass(frozen=True, kw_only=True)
class RK4Family(FixedSolver):
    """The family c = (0, u, v, 1), singular at u = v, u or v in {0, 1}, u = 1/2 and where 6uv - 4u - 4v + 3 = 0.

    Near the singular curves the coefficients grow without bound; what exceeds `tableau.LARGEST_COEFFICIENT` is
    refused. The classical scheme lies on u = v = 1/2 and is `RK4`.

    Attributes:
        u: where the second stage is evaluated.
        v: where the third stage is evaluated; (1/3, 2/3) is the 3/8 rule.

    Raises:
        InputError: on a singular curve or next to it.

    Example:
        >>> [round(weight, 4) for weight in RK4Family(u=1 / 3, v=2 / 3).tableau.weights]
        [0.125, 0.375, 0.375, 0.125]
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
        if not (0 < u < 1 and 0 < v < 1):
            raise InputError(f"u and v must be between 0 and 1, got {u} and {v}")
        last = 6 * u * v - 4 * u - 4 * v + 3
        if u == v or u == 0.5 or last == 0:
            raise InputError(
                f"u must differ from v and from 1/2, and 6uv - 4u - 4v + 3 from 0, got u {u} and v {v}: "
                "the family is singular there"
            )
        b2 = (2 * v - 1) / (12 * u * (1 - u) * (v - u))
        b3 = (1 - 2 * u) / (12 * v * (1 - v) * (v - u))
        b4 = last / (12 * (1 - u) * (1 - v))
        a32 = v * (v - u) / (2 * u * (1 - 2 * u))
        a43 = b3 * (1 - v) / b4
        a42 = (b2 * (1 - u) - b3 * a32) / b4
        return Tableau(
            nodes=(0, u, v, 1),
            matrix=((), (u,), (v - a32, a32), (1 - a42 - a43, a42, a43)),
            weights=(1 - b2 - b3 - b4, b2, b3, b4),
            order=4,
        )
