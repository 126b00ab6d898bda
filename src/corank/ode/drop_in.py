"""`odeint` with torchdiffeq's signature: one import line changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from corank.errors import InputError, near
from corank.ode.field import Field
from corank.ode.gradient import IRDM, RDM, Auto, Gradient, Quadrature
from corank.ode.outside import METHODS, odeint_outside
from corank.ode.solution import SolveError, State
from corank.ode.solvers import (
    RK3,
    BogackiShampine3,
    DormandPrince5,
    Euler,
    Heun,
    Midpoint,
    Solver,
    StepControl,
    ThreeEighths,
    Tsitouras5,
)
from corank.ode.solving import gradient_of, solve

ADAPTIVE: dict[str, Callable[..., Solver]] = {"dopri5": DormandPrince5, "tsit5": Tsitouras5, "bosh3": BogackiShampine3}
"""Pairs by torchdiffeq's names and those of its kin."""

FIXED: dict[str, Callable[..., Solver]] = {
    "euler": Euler,
    "midpoint": Midpoint,
    "heun2": Heun,
    "heun3": lambda step_size: RK3(u=1 / 3, v=2 / 3, step_size=step_size),
    "rk4": ThreeEighths,
}
"""Schemes of given steps by torchdiffeq's names, whose rk4 is the 3/8 rule."""

_STEP = {"first_step": None, "min_step": 0.0, "max_step": math.inf}
_CONTROL = {"safety": "safety", "ifactor": "largest_factor", "dfactor": "smallest_factor"}


def odeint(
    field: Field,
    z0: State,
    t: Tensor,
    *,
    rtol: float | Tensor = 1e-7,
    atol: float | Tensor = 1e-9,
    method: str | Solver | None = None,
    options: Mapping[str, Any] | None = None,
    event_fn: Callable[..., Tensor] | None = None,
    gradient: str | Gradient = "auto",
    parameters: Iterable[Tensor] | None = None,
    adjoint_rtol: float | None = None,
    adjoint_atol: float | None = None,
    adjoint_method: str | None = None,
    adjoint_options: Mapping[str, Any] | None = None,
    adjoint_params: Iterable[Tensor] | None = None,
) -> Any:
    """Solve dz/dt = f(t, z) from z(t[0]) = z0 on: the states at the times t, of shape (times, *shape of z0).

    Args:
        field: f(t, z), a module or a function.
        z0: a tensor or a tuple of tensors.
        t: at least two times, increasing or decreasing.
        rtol: relative tolerance.
        atol: absolute tolerance.
        method: a solver, or torchdiffeq's name of one; None is dopri5. What is torchdiffeq's alone (dopri8, Adams,
            SciPy's implicit methods) is left to it.
        options: `first_step`, `min_step`, `max_step`, `max_num_steps`, `safety`, `ifactor`, `dfactor` of an adaptive
            method, `step_size` of one with given steps.
        event_fn: where to stop; left to torchdiffeq, with its return value (event time, states).
        gradient: the gradient method or its name: auto, backprop, checkpoint, irdm, quadrature, rdm.
        parameters: the tensors that the field has gradients in; None finds them, see `solve`.
        adjoint_rtol: relative tolerance of the way back, for auto and quadrature relative to the gradient's size.
        adjoint_atol: absolute tolerance of the way back, for rdm and irdm; auto and quadrature measure the adjoint in
            its own unit, where it has nothing to say: there it needs adjoint_rtol beside it.
        adjoint_method: the method of the way back, for rdm and irdm.
        adjoint_options: {"norm": "seminorm"} for rdm; met by auto, quadrature as they are.
        adjoint_params: another name for `parameters`.

    Raises:
        InputError: something that cannot be used or honoured.
        SolveError: the last time was not reached; its `solution` holds what there is.

    Example:
        >>> import torch
        >>> z = odeint(lambda t, z: -z, torch.ones(2), torch.linspace(0, 1, 3), rtol=1e-5, atol=1e-5)
        >>> z.shape, round(float(z[-1, 0]), 4)
        (torch.Size([3, 2]), 0.3679)
    """
    if parameters is not None and adjoint_params is not None:
        raise InputError("parameters and adjoint_params are the same: give one of them")
    parameters = adjoint_params if parameters is None else parameters
    if options is not None and not isinstance(options, Mapping):
        raise InputError(f"options must be a dictionary, got {options!r}")
    adjoint = {"rtol": adjoint_rtol, "atol": adjoint_atol, "method": adjoint_method, "options": adjoint_options}
    tolerances = {"rtol": _number("rtol", rtol), "atol": _number("atol", atol)}
    if event_fn is not None or method in METHODS:
        name = method or "dopri5"
        if isinstance(name, Solver):
            raise InputError(f"events are torchdiffeq's: give method its name of the solver, got {name}")
        return odeint_outside(
            field, z0, t, **tolerances, method=name, options=options, event_fn=event_fn, gradient=gradient,
            parameters=parameters, adjoint=adjoint,
        )  # fmt: skip
    if not isinstance(method, Solver):
        solver = _solver(method or "dopri5", options, **tolerances)
    elif options:
        raise InputError(f"a solver object holds its options, got {dict(options)} beside {method}")
    else:
        solver = method
    solution = solve(field, z0, t, solver=solver, gradient=_gradient(gradient, adjoint), parameters=parameters)
    if not solution.done:
        raise SolveError(solution)
    return solution.values


def _solver(method: str, options: Mapping[str, Any] | None, rtol: float, atol: float) -> Solver:
    given = {name: value for name, value in (options or {}).items() if value is not None}
    if method in FIXED:
        _only(given, ["step_size"], method)
        step = given.get("step_size")
        return FIXED[method](step_size=None if step is None else _number("step_size", step))
    if method not in ADAPTIVE:
        known = [*ADAPTIVE, *FIXED, *METHODS]
        raise InputError(f"method must be a solver or the name of one, got {method!r}; {near(str(method), known)}")
    _only(given, [*_STEP, "max_num_steps", *_CONTROL], method)
    steps: dict[str, Any] = {name: _number(name, given[name]) for name in _STEP if name in given}
    if "max_num_steps" in given:
        steps["max_steps"] = int(_number("max_num_steps", given["max_num_steps"]))
    control = {ours: _number(name, given[name]) for name, ours in _CONTROL.items() if name in given}
    return ADAPTIVE[method](rtol=rtol, atol=atol, control=StepControl(**control), **steps)


def _gradient(gradient: str | Gradient, adjoint: Mapping[str, Any]) -> Gradient:
    """The gradient method with what torchdiffeq's arguments say of the way back."""
    method = gradient_of(gradient)
    given = {name: value for name, value in adjoint.items() if value is not None}
    if not given:
        return method
    shown = ", ".join(f"adjoint_{name}={value!r}" for name, value in given.items())
    if isinstance(gradient, Gradient):
        raise InputError(f"a gradient object holds its options, got {shown} beside {gradient}")
    options = dict(given.get("options") or {})
    norm = options.pop("norm", None)
    if norm not in (None, "seminorm"):
        raise InputError(
            f"gradient methods cannot honour the norm {norm!r} in adjoint_options: leave it out, or take 'seminorm'"
        )
    is_seminorm = norm == "seminorm"
    rtol = None if "rtol" not in given else _number("adjoint_rtol", given["rtol"])
    atol = None if "atol" not in given else _number("adjoint_atol", given["atol"])
    if isinstance(method, Auto | Quadrature) and not options and "method" not in given and (atol is None or rtol):
        return type(method)(rtol=rtol)
    if isinstance(method, RDM | IRDM) and not (is_seminorm and isinstance(method, IRDM)):
        solver = None
        if "method" in given or options:
            tight = {"rtol": 1e-7 if rtol is None else rtol, "atol": 1e-9 if atol is None else atol}
            solver = _solver(given.get("method", "dopri5"), options, **tight)
        if isinstance(method, IRDM):
            return IRDM(rtol=rtol, atol=atol, solver=solver)
        return RDM(seminorm=is_seminorm, rtol=rtol, atol=atol, solver=solver)
    raise InputError(f"gradient {gradient!r} cannot honour {shown}: leave it out, or take gradient='rdm'")


def _only(given: Mapping[str, Any], known: Sequence[str], method: str) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"method {method} has no option {name!r}, got {given[name]!r}; it has {', '.join(known)}")


def _number(name: str, value: float | Tensor) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise InputError(f"{name} must be one number, got {value.numel()}")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, got {value!r}") from None
