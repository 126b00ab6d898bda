"""How far a gradient, a trajectory and their bounds can be trusted.

The bounds are those of Daulbaev's thesis, section 2.4, in their corrected form: with J = df/dz and mu its logarithmic
norm, |a(t)| <= |a(t1)| exp(int_t^t1 mu) and |da(t)| <= int_t^t1 exp(int_t^s mu) |a~^T (J~ - J)| ds, where the tilde
marks the interpolated trajectory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode.buffered import integrate
from corank.ode.chebyshev import clenshaw_curtis_weights, nodes
from corank.ode.field import Field, FlatField
from corank.ode.gradient import Checkpoint, Gradient
from corank.ode.gradient.adjoint_solve import solved_and_stored, trajectories
from corank.ode.gradient.base import Problem
from corank.ode.interpolation import Chebyshev, Interpolation
from corank.ode.solution import State
from corank.ode.solvers import AdaptiveSolver, DormandPrince5
from corank.ode.solving import solve
from corank.ode.statistics import Statistics
from corank.result import Result, Scalar


def gradient_error(
    field: nn.Module,
    z0: Tensor,
    t: Sequence[float],
    loss: Callable[[Tensor], Tensor],
    *,
    gradient: str | Gradient = "auto",
    solver: AdaptiveSolver | None = None,
    tight: float = 1e-9,
) -> float:
    """The relative error of the parameters' gradient against the one in float64 with small tolerances.

    The reference is backpropagation through the replayed steps, so that its memory does not grow with them.

    Args:
        field: f(t, z).
        z0: the first state.
        t: the times.
        loss: of the state at the last time.
        gradient: the method to be measured.
        solver: its solver.
        tight: both tolerances of the reference.

    Raises:
        InputError: a field without parameters, or whose gradient is zero.
    """
    found = _parameter_gradient(field, z0, t, loss, gradient, solver or DormandPrince5())
    exact = reference_gradient(field, z0, t, loss, tight=tight)
    size = torch.linalg.vector_norm(exact)
    if not size > 0:
        raise InputError("the reference gradient is zero: there is nothing to compare with")
    return float(torch.linalg.vector_norm(found.double() - exact) / size)


def reference_gradient(
    field: nn.Module, z0: Tensor, t: Sequence[float], loss: Callable[[Tensor], Tensor], *, tight: float = 1e-9
) -> Tensor:
    """The gradient in all parameters, one after another, in float64 with small tolerances."""
    double = copy.deepcopy(field).double()
    return _parameter_gradient(double, z0.double(), t, loss, Checkpoint(), DormandPrince5(rtol=tight, atol=tight))


def _parameter_gradient(
    field: nn.Module,
    z0: Tensor,
    t: Sequence[float],
    loss: Callable[[Tensor], Tensor],
    gradient: str | Gradient,
    solver: AdaptiveSolver,
) -> Tensor:
    parameters = [one for one in field.parameters() if one.requires_grad]
    if not parameters:
        raise InputError("the field must have parameters, got none that requires a gradient")
    last = solve(field, z0, t, solver=solver, gradient=gradient).last
    assert isinstance(last, Tensor)
    found = torch.autograd.grad(loss(last), parameters, allow_unused=True)
    return torch.cat(
        [
            torch.zeros_like(two).view(-1) if one is None else one.reshape(-1)
            for one, two in zip(found, parameters, strict=True)
        ]
    )


@torch.no_grad()
def round_trip_error(field: Field, z0: State, t: Sequence[float], *, solver: AdaptiveSolver | None = None) -> float:
    """How far the first state is missed by a solve to the last time and back, relative to its size (TD, Figure 2.1).

    Where it is large the reverse dynamic method, which solves the state backward, has a wrong gradient.

    Example:
        >>> solver = DormandPrince5(rtol=1e-5)
        >>> round_trip_error(lambda t, z: -30 * z, torch.ones(3), [0.0, 1.0], solver=solver) > 1
        True
    """
    forth = solve(field, z0, [t[0], t[-1]], solver=solver).last
    back = solve(field, forth, [t[-1], t[0]], solver=solver).last
    pairs = list(zip(_parts(back), _parts(z0), strict=True))
    missed = sum(float((one - two).square().sum()) for one, two in pairs)
    size = sum(float(two.square().sum()) for _, two in pairs)
    return float((missed / size) ** 0.5) if size else float(missed**0.5)


def _parts(state: State) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def logarithmic_norm(jacobian: Tensor) -> Tensor:
    """mu_2(J), the largest eigenvalue of (J + J^T) / 2: how fast differences can grow at most.

    Example:
        >>> logarithmic_norm(torch.tensor([[-1.0, 10.0], [-10.0, -2.0]]))
        tensor(-1.)
    """
    eigenvalues: Tensor = torch.linalg.eigvalsh(0.5 * (jacobian + jacobian.mT))
    return eigenvalues.amax(-1)


@final
@dataclass(frozen=True, kw_only=True)
class AdjointBound(Result):
    """The bounds of an interpolated adjoint at the first time.

    Attributes:
        size_bound: of |a(t0)|.
        size: |a(t0)| itself.
        error_bound: of |da(t0)|, the part of the adjoint's error that the interpolation makes.
        error: |da(t0)| itself, between the interpolated and the exact trajectory.
    """

    size_bound: float
    size: float
    error_bound: float
    error: float

    def row(self) -> dict[str, Scalar]:
        """All of them."""
        return {"size": self.size, "size_bound": self.size_bound, "error": self.error, "error_bound": self.error_bound}


def adjoint_bound(
    field: Field,
    z0: Tensor,
    t: Sequence[float],
    cotangent: Tensor,
    *,
    interpolation: Interpolation | None = None,
    solver: AdaptiveSolver | None = None,
    samples: int = 65,
    exact: float = 1e-10,
) -> AdjointBound:
    """The corrected bounds of the thesis' section 2.4, beside what they bound, for a small system.

    Jacobians are computed in full at `samples` times: for states of tens of entries, in float64.

    Args:
        field: f(t, z).
        z0: the first state.
        t: the first and the last time, ascending.
        cotangent: a(t1), the gradient in the last state.
        interpolation: of the trajectory; `Chebyshev()` by default.
        solver: of the stored trajectory.
        samples: times of the quadrature over the interval.
        exact: tolerance of what stands for the exact trajectory.
    """
    if len(t) != 2 or not t[0] < t[1]:
        raise InputError(f"t must be two ascending times, got {list(t)}")
    chosen = interpolation or Chebyshev()
    rough = _trajectory(field, z0, t, chosen, solver or DormandPrince5())
    fine = _trajectory(field, z0, t, Chebyshev(nodes=samples), DormandPrince5(rtol=exact, atol=exact))
    flat = FlatField(field, z0, Statistics())

    def backward(path: Callable[[float], Tensor], times: Sequence[float]) -> Tensor:
        def slope(time: float, a: Tensor) -> Tensor:
            return -flat.products(time, path(time), a, ())[1]

        steps, _ = integrate(slope, cotangent.reshape(-1), times, DormandPrince5(rtol=exact, atol=exact))
        return steps.values

    grid = nodes(samples, t[0], t[1])
    a_rough, a_fine = backward(rough, grid[::-1]).flip(0), backward(fine, grid[::-1]).flip(0)
    jacobians = torch.stack([_jacobian(flat, time, fine(time)) for time in grid])
    other = torch.stack([_jacobian(flat, time, rough(time)) for time in grid])
    mu = logarithmic_norm(jacobians)
    weights = torch.from_numpy(0.5 * (t[1] - t[0]) * clenshaw_curtis_weights(samples)).to(mu)
    grown = torch.exp(_running_integral(mu, grid))
    source = torch.linalg.vector_norm(torch.einsum("ti,tij->tj", a_rough, other - jacobians), dim=1)
    return AdjointBound(
        size_bound=float(torch.linalg.vector_norm(cotangent) * torch.exp(weights @ mu)),
        size=float(torch.linalg.vector_norm(a_fine[0])),
        error_bound=float(weights @ (grown * source)),
        error=float(torch.linalg.vector_norm(a_rough[0] - a_fine[0])),
    )


def _trajectory(
    field: Field, z0: Tensor, t: Sequence[float], interpolation: Interpolation, solver: AdaptiveSolver
) -> Callable[[float], Tensor]:
    flat = FlatField(field, z0, Statistics())
    times = tuple(float(time) for time in t)
    problem = Problem(field=flat, y0=z0.detach().reshape(-1), times=times, t=z0.new_tensor(times), solver=solver)
    _, _, stored = solved_and_stored(problem, interpolation)
    (path,) = trajectories(interpolation, stored)
    assert path is not None
    return path


def _jacobian(flat: FlatField, t: float, y: Tensor) -> Tensor:
    found = torch.autograd.functional.jacobian(lambda state: flat(t, state), y)  # type: ignore[no-untyped-call]
    assert isinstance(found, Tensor)
    return found


def _running_integral(values: Tensor, grid: Sequence[float]) -> Tensor:
    """The integral from the first time to each, by the trapezoidal rule."""
    steps = values.new_tensor(grid).diff()
    pieces = 0.5 * steps * (values[1:] + values[:-1])
    return torch.cat([values.new_zeros(1), pieces.cumsum(0)])
