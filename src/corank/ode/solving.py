"""An initial value problem solved, with its gradient ready: `solve` gives a result that says what happened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from corank.discover import methods_of, name_of
from corank.errors import InputError, near
from corank.ode import gradient as room
from corank.ode.buffered import integrate
from corank.ode.field import Field, FlatField
from corank.ode.gradient import Backprop, Gradient
from corank.ode.gradient.base import Problem
from corank.ode.parameters import discovered, modules_of
from corank.ode.solution import Solution, State
from corank.ode.solvers import DormandPrince5, Solver
from corank.ode.statistics import Statistics
from corank.ode.stepping import Progress

GRADIENTS = methods_of(room, Gradient)  # type: ignore[type-abstract]
"""The gradient methods by name."""


def solve(
    field: Field,
    z0: State,
    t: Tensor | Sequence[float],
    *,
    solver: Solver | None = None,
    gradient: Gradient | str = "auto",
    parameters: Iterable[Tensor] | None = None,
) -> Solution:
    """Solve dz/dt = f(t, z) from z(t[0]) = z0 on, with the gradient in z0, t and the field's parameters.

    Args:
        field: f(t, z), as in torchdiffeq: t without dimensions, z a tensor or a tuple of tensors.
        z0: the state at the first time.
        t: at least two times, increasing or decreasing; times may repeat.
        solver: scheme and steps; None is `DormandPrince5` with its default tolerances.
        gradient: the gradient method, or its name.
        parameters: the tensors that the field has gradients in; None finds them: those of a module, and every leaf
            tensor that the first evaluation uses. One of a function that is used at later times only must be given.

    Example:
        >>> z0 = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
        >>> solution = solve(lambda t, z: -z, z0, [0.0, 1.0])
        >>> solution.last.sum().backward()
        >>> round(float(z0.grad), 6), solution.status.value
        (0.367879, 'done')
    """
    method = gradient_of(gradient)
    if not callable(field):
        raise InputError(f"the field must be a module or a function f(t, z), got {type(field).__name__}")
    if solver is not None and not isinstance(solver, Solver):
        raise InputError(f"solver must be one such as DormandPrince5(rtol=1e-5), got {solver!r}")
    parameters = _checked_parameters(parameters)
    parts = _checked_state(z0)
    times = _checked_times(t)
    flat = FlatField(field, z0, Statistics())
    problem = Problem(
        field=flat,
        y0=flat.flat(parts),
        times=times,
        t=t if isinstance(t, Tensor) else torch.tensor(times, dtype=torch.float64),
        solver=DormandPrince5() if solver is None else solver,
    )
    values, progress = _integrated(problem, method, parameters)
    flat.statistics.steps, flat.statistics.rejections = progress.steps, progress.rejections
    return Solution(
        values=flat.state(values),
        times=times,
        status=progress.status,
        message=progress.message,
        reached=progress.reached,
        statistics=flat.statistics,
    )


def _integrated(problem: Problem, method: Gradient, parameters: Sequence[Tensor] | None) -> tuple[Tensor, Progress]:
    """The states at the problem's times, with a graph if any gradient is wanted."""
    field = problem.field
    if torch.is_grad_enabled():
        field.statistics.gradient = name_of(type(method))
        if isinstance(method, Backprop):
            return method.integrate(problem)
        problem.modules = modules_of(field.field)
        if parameters is None:
            problem.slope, problem.parameters = discovered(field, problem.y0, problem.times[0], problem.modules)
        else:
            problem.parameters = tuple(one for one in parameters if one.requires_grad)
        if any(one.requires_grad for one in (problem.y0, problem.t, *problem.parameters)):
            return method.integrate(problem)
    field.statistics.gradient = "none"
    steps, progress = integrate(
        field, problem.y0, problem.times, problem.solver, slope=problem.slope, groups=problem.groups
    )
    return steps.values, progress


def gradient_of(gradient: Gradient | str) -> Gradient:
    """A gradient method by its name."""
    if isinstance(gradient, Gradient):
        return gradient
    if not isinstance(gradient, str) or gradient not in GRADIENTS:
        raise InputError(f"gradient must be a method or its name, got {gradient!r}; {near(str(gradient), GRADIENTS)}")
    return GRADIENTS[gradient]()


def _checked_state(z0: State) -> tuple[Tensor, ...]:
    parts = z0 if isinstance(z0, tuple) else (z0,)
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        raise InputError(f"z0 must be a tensor or a tuple of tensors, got {type(z0).__name__}")
    kinds = {(part.dtype, part.device) for part in parts}
    if len(kinds) > 1 or not parts[0].is_floating_point():
        raise InputError(
            "the tensors of z0 must be real, of one dtype and on one device, got "
            + ", ".join(f"{part.dtype} on {part.device}" for part in parts)
        )
    return parts


def _checked_parameters(parameters: Iterable[Tensor] | None) -> tuple[Tensor, ...] | None:
    if parameters is None:
        return None
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise InputError(f"parameters must be several tensors, got one {type(parameters).__name__}: give a tuple")
    found = tuple(parameters)
    for one in found:
        if not isinstance(one, Tensor):
            raise InputError(f"parameters must be tensors, got {type(one).__name__}")
    return found


def _checked_times(t: Tensor | Sequence[float]) -> tuple[float, ...]:
    if isinstance(t, Tensor) and (t.ndim != 1 or not t.is_floating_point()):
        raise InputError(f"t must be one-dimensional and real, got shape {tuple(t.shape)} of {t.dtype}")
    try:
        times = tuple(float(time) for time in (t.tolist() if isinstance(t, Tensor) else t))
    except (TypeError, ValueError):
        raise InputError(f"t must be a tensor or a sequence of times, got {t!r}") from None
    if not all(math.isfinite(time) for time in times):
        raise InputError(f"times must be finite, got {', '.join(f'{time:g}' for time in times[:8])}")
    if len(times) < 2:
        raise InputError(f"t must hold at least two times, got {len(times)}")
    differences = [later - earlier for earlier, later in pairwise(times)]
    if not (all(one >= 0 for one in differences) or all(one <= 0 for one in differences)):
        raise InputError(f"times must increase or decrease, got {', '.join(f'{time:g}' for time in times[:8])}")
    return times
