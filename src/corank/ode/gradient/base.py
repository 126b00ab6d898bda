"""What every gradient method is: a way to solve such that autograd finds the gradient.

The base counts, checks that no derivative is asked for that a method does not give, and adds the gradients in the
times, which are the same for all: dL/dt_i = dL/dz(t_i) f(t_i, z(t_i)) at every time but the first, where it is
-a(t_0) f(t_0, z_0) with the adjoint a(t) = dL/dz(t) (Daulbaev's thesis, section 1.2, with its signs corrected).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode.field import FlatField
from corank.ode.solution import Status
from corank.ode.solvers.base import Solver
from corank.ode.stepping import Progress


@dataclass(kw_only=True)
class Problem:
    """An initial value problem as the gradient methods see it.

    Attributes:
        field: the field on flat states, with its counts.
        y0: the flat state at the first time.
        times: where states are wanted.
        t: the same as a tensor, for its gradient.
        solver: scheme and steps.
        parameters: the tensors in which the field has gradients; those of `Backprop` need not be known.
        slope: the derivative at the first time, where it is known.
        modules: the modules that the field is made of, as far as they are known.
    """

    field: FlatField
    y0: Tensor
    times: tuple[float, ...]
    t: Tensor
    solver: Solver
    parameters: tuple[Tensor, ...] = ()
    slope: Tensor | None = None
    modules: tuple[nn.Module, ...] = ()

    @property
    def groups(self) -> list[int] | None:
        """The sizes of the state's tensors, if there are several: each has its own norm."""
        return self.field.sizes if len(self.field.sizes) > 1 else None


class Gradient(ABC):
    """A way to the gradient of a solution in its first state, its times and the field's parameters."""

    @abstractmethod
    def integrate(self, problem: Problem) -> tuple[Tensor, Progress]:
        """The flat states at the problem's times, with their place in autograd's graph."""


class Adjoint(Gradient):
    """A method with a backward pass of its own, which gives first derivatives."""

    @abstractmethod
    def forward(self, problem: Problem) -> tuple[Tensor, Progress, Any]:
        """Solve without a graph: states, how it went, and what the backward pass is to remember."""

    @abstractmethod
    def backward(self, problem: Problem, memory: Any, values: Tensor, gradients: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The adjoint at the first time, without the gradient there, and the gradients in the parameters.

        Args:
            problem: the problem.
            memory: what `forward` gave.
            values: the states at the problem's times.
            gradients: the gradients in them.
        """

    def integrate(self, problem: Problem) -> tuple[Tensor, Progress]:
        """The flat states at the problem's times, with the method's own backward pass."""
        run = _Run(self, problem)
        values: Tensor = _AdjointFunction.apply(  # type: ignore[no-untyped-call]
            run, problem.y0, problem.t, *problem.parameters
        )
        assert run.progress is not None
        return values, run.progress


class _Run:
    """One forward pass and its backward passes."""

    def __init__(self, method: Adjoint, problem: Problem) -> None:
        self.method, self.problem = method, problem
        self.progress: Progress | None = None
        self.memory: Any = None


class _AdjointFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, run: _Run, y0: Tensor, t: Tensor, *parameters: Tensor) -> Tensor:
        ctx.run = run
        values, run.progress, run.memory = run.method.forward(run.problem)
        ctx.save_for_backward(values, *parameters)
        return values

    @staticmethod
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor | None, ...]:
        run: _Run = ctx.run
        values = ctx.saved_tensors[0]
        problem = run.problem
        assert run.progress is not None
        if run.progress.status is not Status.DONE:
            raise InputError(f"a solution that ended early has no gradient: {run.progress.message}")
        asks_twice = torch.is_grad_enabled()
        with torch.no_grad(), _counting_backward(problem.field), as_they_were(problem.modules):
            adjoint, in_parameters = run.method.backward(problem, run.memory, values, gradients)
            in_times = _in_times(problem, values, gradients, adjoint) if ctx.needs_input_grad[2] else None
            in_state = adjoint + gradients[0] if ctx.needs_input_grad[1] else None
        found = [in_state, in_times, *in_parameters]
        if asks_twice:
            once: Any = _Once.apply
            found = [None if one is None else once(one, values) for one in found]
        return None, *found


class _Once(torch.autograd.Function):
    """A gradient that has none of its own: it says so instead of being silently constant."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, of: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise InputError("this gradient method gives first derivatives only: take gradient='backprop' for second ones")


def _in_times(problem: Problem, values: Tensor, gradients: Tensor, adjoint: Tensor) -> Tensor:
    found = [-adjoint @ problem.field(problem.times[0], values[0])]
    for time, value, gradient in zip(problem.times[1:], values[1:], gradients[1:], strict=True):
        found.append(gradient @ problem.field(time, value) if bool(gradient.any()) else gradient.new_zeros(()))
    return torch.stack(found).to(problem.t)


@contextmanager
def _counting_backward(field: FlatField) -> Iterator[None]:
    field.is_backward = True
    try:
        yield
    finally:
        field.is_backward = False


@contextmanager
def as_they_were(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Buffers, such as batch norm's running statistics, come out of a repeated evaluation as they went in."""
    kept = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
