"""`odeint` with torchdiffeq's signature: one import line changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from corank.errors import InputError, near
from corank.ode.field import Field
from corank.ode.gradient import Gradient
from corank.ode.solution import SolveError, State
from corank.ode.solvers import (
    RK3,
    BogackiShampine3,
    DormandPrince5,
    Euler,
    Heun,
    Midpoint,
    Solver,
    ThreeEighths,
    Tsitouras5,
)
from corank.ode.solving import solve

ADAPTIVE = {"dopri5": DormandPrince5, "tsit5": Tsitouras5, "bosh3": BogackiShampine3}
FIXED = {"euler": Euler, "midpoint": Midpoint, "heun2": Heun, "rk4": ThreeEighths}


def odeint(
    field: Field,
    z0: State,
    t: Tensor,
    *,
    rtol: float = 1e-7,
    atol: float = 1e-9,
    method: str | Solver = "dopri5",
    options: Mapping[str, Any] | None = None,
    gradient: Gradient | str = "auto",
    parameters: Sequence[Tensor] | None = None,
) -> State:
    """Solve dz/dt = f(t, z); the states at the times t.

    Raises:
        SolveError: the last time was not reached; its `solution` holds what there is.
    """
    solver = method if isinstance(method, Solver) else _solver(method, rtol, atol, dict(options or {}))
    solution = solve(field, z0, t, solver=solver, gradient=gradient, parameters=parameters)
    if not solution.done:
        raise SolveError(solution)
    return solution.values


def _solver(method: str, rtol: float, atol: float, options: dict[str, Any]) -> Solver:
    if method in ADAPTIVE:
        return ADAPTIVE[method](rtol=rtol, atol=atol)
    if method == "heun3":
        return RK3(u=1 / 3, v=2 / 3, step_size=options.get("step_size"))
    if method in FIXED:
        return FIXED[method](step_size=options.get("step_size"))
    raise InputError(f"unknown method {method!r}; {near(method, [*ADAPTIVE, *FIXED])}")
