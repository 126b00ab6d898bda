"""The pair 5(4) of Tsitouras (2011), "Runge-Kutta pairs of order 5(4) satisfying only the first column ..."."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from corank.ode.solvers.base import AdaptiveSolver
from corank.ode.tableau import Tableau

_MATRIX = (
    (),
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
    (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
    (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
)
_ERROR = (
    -0.00178001105222577714,
    -0.0008164344596567469,
    0.007880878010261995,
    -0.1447110071732629,
    0.5823571654525552,
    -0.45808210592918697,
    1 / 66,
)
_WEIGHTS = (*_MATRIX[-1], 0.0)


def _quartic(scale: float, sum_: float, product: float) -> tuple[float, ...]:
    """The coefficients of scale theta^2 (theta^2 - sum theta + product), from theta on."""
    return (0.0, scale * product, -scale * sum_, scale)


def _roots(scale: float, one: float, other: float) -> tuple[float, ...]:
    return _quartic(scale, one + other, one * other)


def _first() -> tuple[float, ...]:
    scale, root, sum_, product = -1.0530884977290216, 1.3299890189751412, 1.4364028541716351, 0.7139816917074209
    return (-scale * root * product, scale * (product + root * sum_), -scale * (sum_ + root), scale)


_TABLEAU = Tableau(
    nodes=(0, 0.161, 0.327, 0.9, 0.9800255409045097, 1, 1),
    matrix=_MATRIX,
    weights=_WEIGHTS,
    order=5,
    embedded=tuple(weight - error for weight, error in zip(_WEIGHTS, _ERROR, strict=True)),
    embedded_order=4,
    dense=(
        _first(),
        _quartic(0.1017, 2.1966568338249754, 1.2949852507374631),
        _quartic(2.490627285651252793, 2.38535645472061657, 1.57803468208092486),
        _roots(-16.54810288924490272, 1.21712927295533244, 0.61620406037800089),
        _roots(47.37952196281928122, 1.203071208372362603, 0.658047292653547382),
        _roots(-34.87065786149660974, 1.2, 2 / 3),
        _roots(2.5, 1.0, 0.6),
    ),
    dense_order=4,
)


@final
@dataclass(frozen=True, kw_only=True)
class Tsitouras5(AdaptiveSolver):
    """Order 5 with an error estimate of order 4 and dense output of order 4; often the cheapest pair of this order."""

    @property
    def tableau(self) -> Tableau:
        """The coefficients."""
        return _TABLEAU
