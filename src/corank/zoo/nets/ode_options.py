"""The options of the zoo's neural ODEs: how their blocks are solved and differentiated, and what is normalised how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from torch import nn

from corank.errors import InputError, near
from corank.ode.block import ODEBlock
from corank.ode.choices import solver_of, solver_options
from corank.ode.gradient_options import GradientOptions
from corank.ode.meta import Ensembling, Regime, Smoothing, Standalone, Switching
from corank.ode.solvers import FixedSolver, Solver
from corank.zoo.nets.normalisations import Normalisation, check_normalisation

RegimeName = Literal["standalone", "switching", "smoothing", "ensembling"]
ActivationName = Literal["relu", "gelu", "softplus", "tanh"]
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "gelu": nn.GELU, "softplus": nn.Softplus, "tanh": nn.Tanh,
}  # fmt: skip
_SOLVER = ("steps", "rtol", "atol", "max_steps", "u", "v")


@dataclass(frozen=True, kw_only=True)
class ODEOptions(GradientOptions):
    """How a neural ODE of the zoo is built, beside its gradient; None leaves an option to the network's own default.

    Args:
        solver: of the blocks, by name: euler, rk2, rk4, dopri5, ...
        steps: of a solver with fixed steps.
        rtol: relative tolerance of an adaptive solver.
        atol: absolute tolerance of an adaptive solver.
        max_steps: of an adaptive solver, after which a solution fails.
        u: parameter of the families rk2, rk3 and rk4-family.
        v: second parameter of rk3 and rk4-family.
        regime: standalone; switching between the values of `switch-u`, smoothing of u (and v), or ensembling of them.
        switch_u: parameters of the solvers that switching and ensembling work with.
        deviation: standard deviation of smoothing.
        stem_norm: after the first convolution: batch, layer, weight, spectral or none.
        block_norm: in the residual blocks.
        field_norm: in the fields of the ODE blocks.
        activation: relu, gelu, softplus or tanh; a smooth one makes a smooth field.
        channels: of the first convolution.

    Raises:
        InputError: an option that no network takes.
    """

    solver: str | None = None
    steps: int | None = None
    rtol: float | None = None
    atol: float | None = None
    max_steps: int | None = None
    u: float | None = None
    v: float | None = None
    regime: RegimeName | None = None
    switch_u: tuple[float, ...] | None = None
    deviation: float | None = None
    stem_norm: Normalisation | None = None
    block_norm: Normalisation | None = None
    field_norm: Normalisation | None = None
    activation: ActivationName | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for place in ("stem", "block", "field"):
            name = getattr(self, f"{place}_norm")
            if name is not None:
                check_normalisation(place, name)
        for option, known in (("regime", get_args(RegimeName)), ("activation", get_args(ActivationName))):
            name = getattr(self, option)
            if name is not None and name not in known:
                raise InputError(f"unknown {option} {name!r}: {near(name, known)}")
        if self.channels is not None and self.channels < 1:
            raise InputError(f"channels must be at least 1, got {self.channels}")
        if self.switch_u is not None:
            object.__setattr__(self, "switch_u", tuple(self.switch_u))

    def given(self) -> dict[str, Any]:
        """The options that are not left open, as JSON has them.

        Example:
            >>> ODEOptions(solver="euler", steps=2).given()
            {'solver': 'euler', 'steps': 2}
        """
        return {name: value for name, value in asdict(self).items() if value is not None}

    def filled(self, defaults: ODEOptions) -> ODEOptions:
        """These options, the open ones filled from the defaults; another solver takes what it has a use for.

        Example:
            >>> default = ODEOptions(solver="euler", steps=8)
            >>> ODEOptions(solver="dopri5").filled(default).steps is None
            True
        """
        values = {**defaults.given(), **self.given()}
        if self.solver is not None:
            own = solver_options(self.solver)
            values = {
                name: value
                for name, value in values.items()
                if name not in _SOLVER or name in own or name in self.given()
            }
        return ODEOptions(**values)

    def block(self, field: nn.Module) -> ODEBlock:
        """An ODE block around a field."""
        return ODEBlock(field, solver=self.regime_object(), gradient=self.method())

    def regime_object(self) -> Regime:
        """The solver or solvers of a block.

        Raises:
            InputError: options that do not go together.
        """
        solver = solver_of(self.solver or "dopri5", {name: getattr(self, name) for name in _SOLVER})
        name = self.regime or "standalone"
        if self.deviation is not None and name != "smoothing":
            raise InputError(f"deviation {self.deviation:g} is for the regime smoothing, got {name}")
        if name == "smoothing":
            deviation = {} if self.deviation is None else {"deviation": self.deviation}
            return Smoothing(solver=_fixed(solver), **deviation)
        if name == "standalone":
            if self.switch_u is not None:
                raise InputError(f"switch_u {self.switch_u} is for the regimes switching and ensembling, got {name}")
            return Standalone(solver=solver)
        solvers = self._several(solver, name)
        return Switching(solvers=solvers) if name == "switching" else Ensembling(solvers=solvers)

    def _several(self, solver: Solver, name: str) -> tuple[Solver, ...]:
        if not self.switch_u or "u" not in (option.name for option in fields(solver)):
            raise InputError(
                f"{name} needs a solver with a parameter u and its values in switch_u, got {self.solver} and "
                f"{self.switch_u}"
            )
        return tuple(replace(solver, u=u) for u in self.switch_u)  # type: ignore[call-arg]

    def activated(self) -> nn.Module:
        """A module of the activation."""
        return _ACTIVATIONS[self.activation or "relu"]()


def _fixed(solver: Solver) -> FixedSolver:
    if not isinstance(solver, FixedSolver):
        raise InputError(f"smoothing needs a solver of a family, as rk2, got {type(solver).__name__}")
    return solver
