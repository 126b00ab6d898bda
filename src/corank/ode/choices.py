"""Solvers by name: from the words of a command line or a run folder to the object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from corank.discover import methods_of
from corank.errors import InputError, near
from corank.ode import solvers as room
from corank.ode.solvers import Solver

SHORT = {"dopri5": "dormand-prince5", "bosh3": "bogacki-shampine3", "tsit5": "tsitouras5"}
"""Names by which the pairs are known in torchdiffeq and its kin."""


def solver_names() -> tuple[str, ...]:
    """The names that `solver_of` knows.

    Example:
        >>> {"euler", "rk2", "dopri5", "dormand-prince5"} <= set(solver_names())
        True
    """
    return (*methods_of(room, Solver), *SHORT)  # type: ignore[type-abstract]


def solver_options(name: str) -> tuple[str, ...]:
    """The options of a solver.

    Raises:
        InputError: an unknown name.

    Example:
        >>> solver_options("rk2")
        ('steps', 'step_size', 'u')
    """
    return tuple(option.name for option in fields(_kind(name)))


def solver_of(name: str, options: Mapping[str, Any]) -> Solver:
    """The solver of a name with options, of which those that are None are left to their defaults.

    Raises:
        InputError: an unknown name, an option that the solver does not have, or one that it needs.

    Example:
        >>> solver_of("rk2", {"u": 0.5, "steps": 8, "rtol": None})
        RK2(steps=8, step_size=None, u=0.5)
    """
    given = {option: value for option, value in options.items() if value is not None}
    kind = _kind(name)
    known = solver_options(name)
    for name_given, value in given.items():
        if name_given not in known:
            raise InputError(f"solver {name} has no {name_given}, got {value}: it has {', '.join(known)}")
    for option in fields(kind):
        is_needed = option.default is MISSING and option.default_factory is MISSING
        if is_needed and option.name not in given:
            raise InputError(f"solver {name} needs {option.name}, got none")
    return kind(**given)


def _kind(name: str) -> type[Solver]:
    known = methods_of(room, Solver)  # type: ignore[type-abstract]
    kind = known.get(SHORT.get(name, name))
    if kind is None:
        raise InputError(f"unknown solver {name!r}: {near(name, solver_names(), limit=8)}")
    return kind
