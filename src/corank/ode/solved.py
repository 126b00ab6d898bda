"""A solution that is needed to go on: one that ended early is an error in one line."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from corank.errors import InputError
from corank.ode.gradient import Gradient
from corank.ode.solution import Solution
from corank.ode.solvers import Solver
from corank.ode.solving import solve


def solved(
    field: nn.Module, state: Tensor, times: Sequence[float], solver: Solver, gradient: str | Gradient
) -> Solution:
    """The whole solution of a field from a state on.

    Raises:
        InputError: it ended before the last time.
    """
    solution = solve(field, state, times, solver=solver, gradient=gradient)
    if not solution.done:
        raise InputError(
            f"the solver stopped at time {solution.reached:g} of {solution.times[-1]:g}: {solution.message}; larger "
            "tolerances, more steps or smaller weights help"
        )
    return solution
