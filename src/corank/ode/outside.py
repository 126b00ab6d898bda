"""torchdiffeq for what this package leaves to it: events, Adams methods, and SciPy's implicit ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from corank.errors import InputError
from corank.ode.field import Field, FlatField
from corank.ode.gradient import Gradient
from corank.ode.parameters import discovered, modules_of
from corank.ode.solution import State
from corank.ode.statistics import Statistics

METHODS = ("dopri8", "fehlberg2", "adaptive_heun", "explicit_adams", "implicit_adams", "fixed_adams", "scipy_solver")
"""torchdiffeq's methods that are none of ours."""


def odeint_outside(
    field: Field,
    z0: State,
    t: Tensor,
    *,
    rtol: float,
    atol: float,
    method: str,
    options: Mapping[str, Any] | None,
    event_fn: Callable[..., Tensor] | None,
    gradient: str | Gradient,
    parameters: Iterable[Tensor] | None,
    adjoint: Mapping[str, Any],
) -> Any:
    """`torchdiffeq.odeint` for gradient "backprop", `torchdiffeq.odeint_adjoint` for "auto" and "rdm".

    Raises:
        InputError: torchdiffeq is not installed, or another gradient method.
    """
    try:
        import torchdiffeq
    except ImportError:
        what = "event_fn" if event_fn is not None else f"method {method!r}"
        raise InputError(f"{what} needs torchdiffeq, which is not installed: pip install corank[torchdiffeq]") from None
    common = {"rtol": rtol, "atol": atol, "method": method, "options": options and dict(options), "event_fn": event_fn}
    if gradient == "backprop":
        return torchdiffeq.odeint(field, z0, t, **common)
    if gradient not in ("auto", "rdm"):
        raise InputError(f"torchdiffeq's methods and events have gradient 'backprop' or 'rdm', got {gradient!r}")
    if parameters is None:
        first = z0 if isinstance(z0, tuple) else (z0,)
        flat = FlatField(field, z0, Statistics())
        _, parameters = discovered(flat, flat.flat(first), float(t.reshape(-1)[0]), modules_of(field))
    given = {f"adjoint_{name}": value for name, value in adjoint.items()}
    return torchdiffeq.odeint_adjoint(field, z0, t, **common, **given, adjoint_params=tuple(parameters))
