from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import corank.ode.solvers
from corank.discover import methods_of
from corank.errors import InputError
from corank.ode import AdaptiveSolver, FixedSolver, Solver, StepControl
from corank.ode.buffered import BufferedSteps

SOLVERS = methods_of(corank.ode.solvers, Solver)
NEEDED = {"rk2": {"u": 0.4}, "rk3": {"u": 0.3, "v": 0.8}, "rk4-family": {"u": 0.3, "v": 0.6}}


def made(name: str) -> Solver:
    return SOLVERS[name](**NEEDED.get(name, {}))


def field(t: float, y: Tensor) -> Tensor:
    return torch.stack([y[1] * math.cos(t), -y[0] + 0.3 * y[1] ** 2])


def one_step(solver: Solver, h: float, shares: tuple[float, ...] = ()) -> Tensor:
    """The end of one step from time 0.2 on, and the dense output at shares of it."""
    y0 = torch.tensor([0.7, -0.9], dtype=torch.float64)
    steps = BufferedSteps(field, y0, len(shares), solver)
    steps.attempt(0.2, 0.2 + h)
    if shares:
        steps.put(0, [0.2 + share * h for share in shares])
    steps.accept()
    return torch.cat([steps.y[None], steps.values])


def exact(h: float, shares: tuple[float, ...] = ()) -> Tensor:
    """The same by a hundred small steps of the best scheme."""
    found = []
    for end in (h, *(share * h for share in shares)):
        y, t = torch.tensor([0.7, -0.9], dtype=torch.float64), 0.2
        for _ in range(100):
            steps = BufferedSteps(field, y, 0, made("dormand-prince5"))
            steps.attempt(t, t + end / 100)
            steps.accept()
            y, t = steps.y, t + end / 100
        found.append(y)
    return torch.stack(found)


def measured_order(errors: list[Tensor]) -> float:
    """Of one step: the power of h, less one."""
    return math.log2(float(errors[0].norm() / errors[1].norm())) - 1


@pytest.mark.parametrize("name", SOLVERS)
def test_the_measured_order_is_the_stated_one(name: str) -> None:
    solver = made(name)
    errors = [one_step(solver, h)[0] - exact(h)[0] for h in (0.1, 0.05)]
    assert measured_order(errors) == pytest.approx(solver.tableau.order, abs=0.4)


@pytest.mark.parametrize("name", [name for name, kind in SOLVERS.items() if issubclass(kind, AdaptiveSolver)])
def test_the_dense_output_has_its_order_inside_the_step(name: str) -> None:
    shares = (0.25, 0.6)
    solver = made(name)
    errors = [(one_step(solver, h, shares) - exact(h, shares))[1:] for h in (0.08, 0.04)]
    assert measured_order(errors) > solver.tableau.dense_order - 0.4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rtol": -1.0}, "rtol and atol"), ({"rtol": 0.0, "atol": 0.0}, "rtol and atol"),
        ({"atol": float("nan")}, "rtol and atol"), ({"first_step": 0.0}, "first_step"),
        ({"min_step": -1.0}, "min_step"),
        ({"max_step": 0.0}, "max_step"), ({"min_step": 2.0, "max_step": 1.0}, "min_step"),
        ({"max_steps": 0}, "max_steps"),
    ],
)  # fmt: skip
def test_wrong_options_of_an_adaptive_solver_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SOLVERS["dormand-prince5"](**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "steps must"), ({"step_size": 0.0}, "step_size"), ({"step_size": math.inf}, "step_size"),
        ({"steps": 2, "step_size": 0.1}, "both"), ({"steps": 1.5}, "whole"),
    ],
)  # fmt: skip
def test_wrong_options_of_a_fixed_solver_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SOLVERS["rk4"](**options)


@pytest.mark.parametrize(
    "options", [{"safety": 1.0}, {"smallest_factor": 0.0}, {"largest_factor": 1.0}, {"memory": 1.0}, {"memory": -0.1}]
)
def test_wrong_step_control_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be"):
        StepControl(**options)


def test_a_step_size_is_the_largest_one() -> None:
    solver = SOLVERS["euler"](step_size=0.3)
    assert isinstance(solver, FixedSolver)
    assert [solver.steps_between(0, end) for end in (0.0, 0.2, 0.3, 0.31, -0.9)] == [0, 1, 1, 2, 3]
