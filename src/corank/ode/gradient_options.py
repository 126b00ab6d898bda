"""Gradient methods from plain options, as a command line and a run folder have them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from corank.errors import InputError, near
from corank.ode.gradient import IRDM, Gradient
from corank.ode.interpolation import Chebyshev, Hermite, Interpolation, PiecewiseLinear
from corank.ode.solving import gradient_of

INTERPOLATIONS: dict[str, type[Interpolation]] = {
    "chebyshev": Chebyshev, "linear": PiecewiseLinear, "hermite": Hermite,
}  # fmt: skip
_OF_FIELD = {"adjoint_rtol": "rtol", "adjoint_atol": "atol"}  # of a method, where the solver has options of these names


@dataclass(frozen=True, kw_only=True)
class GradientOptions:
    """A gradient method with its options; what is None is left to the method's own default.

    Args:
        gradient: auto, backprop, checkpoint, irdm, quadrature or rdm.
        nodes: states stored for irdm and quadrature.
        interpolation: of irdm: chebyshev, linear or hermite.
        printed_weights: of irdm with chebyshev: the thesis' weights as printed, for reproduction.
        seminorm: of rdm: the parameters' gradient is left out of the error that chooses the steps.
        adjoint_rtol: relative tolerance of the way back.
        adjoint_atol: absolute tolerance of the way back, of irdm and rdm.
        loosening: of auto and quadrature: the adjoint's tolerance as a multiple of the solver's.

    Raises:
        InputError: an unknown name, or an option that the method does not have.

    Example:
        >>> GradientOptions(gradient="irdm", nodes=9).method()
        IRDM(interpolation=Chebyshev(nodes=9, printed_weights=False), rtol=None, atol=None, solver=None)
    """

    gradient: str | None = None
    nodes: int | None = None
    interpolation: str | None = None
    printed_weights: bool | None = None
    seminorm: bool | None = None
    adjoint_rtol: float | None = None
    adjoint_atol: float | None = None
    loosening: float | None = None

    def __post_init__(self) -> None:
        self.method()

    def method(self) -> Gradient:
        """The method that these options describe."""
        name = self.gradient or "auto"
        given = {
            option.name: getattr(self, option.name)
            for option in fields(GradientOptions)
            if option.name != "gradient" and getattr(self, option.name) is not None
        }
        kind = type(gradient_of(name))
        if kind is IRDM:
            given = {"interpolation": self._interpolation(given), **given}
        known = {option.name for option in fields(kind)}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for option, value in given.items():
            if _OF_FIELD.get(option, option) not in known:
                raise InputError(f"gradient {name} has no {option}, got {value}")
            values[_OF_FIELD.get(option, option)] = value
        return kind(**values)

    def _interpolation(self, given: dict[str, Any]) -> Interpolation:
        """That of irdm, whose options are taken out of what is given."""
        name = given.pop("interpolation", "chebyshev")
        if name not in INTERPOLATIONS:
            raise InputError(f"unknown interpolation {name!r}: {near(name, INTERPOLATIONS)}")
        kind = INTERPOLATIONS[name]
        known = {option.name for option in fields(kind)}  # type: ignore[arg-type]
        own = {option: given.pop(option) for option in ("nodes", "printed_weights") if option in given}
        for option, value in own.items():
            if option not in known:
                raise InputError(f"interpolation {name} has no {option}, got {value}")
        return kind(**own)
