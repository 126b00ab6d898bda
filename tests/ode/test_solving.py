from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode import RK4, BogackiShampine3, DormandPrince5, SolveError, Status, StepControl, Tsitouras5, odeint, solve

from .fields import Linear, Timed, states

torchdiffeq = pytest.importorskip("torchdiffeq")
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def last_of(*args: Any, **kwargs: Any) -> Tensor:
    found = solve(*args, **kwargs).last
    assert isinstance(found, Tensor)
    return found


@pytest.mark.parametrize("times", [[0.0, 0.3, 1.0], [1.0, 0.9, -0.2], [0.0, 2.0]])
@pytest.mark.parametrize("kind", [DormandPrince5, Tsitouras5, BogackiShampine3])
def test_solutions_are_as_exact_as_the_tolerance_asks(kind: type, times: list[float]) -> None:
    field = Linear()
    for tolerance in (1e-4, 1e-7):
        solution = solve(field, states(), times, solver=kind(rtol=tolerance, atol=tolerance))
        exact = torch.stack([field.exact(states(), time - times[0]) for time in times])
        # Tolerances are of each step; what is left at the end grows with the steps and with the field.
        assert float((solution.values - exact).detach().norm() / exact.detach().norm()) < 100 * tolerance


@pytest.mark.parametrize("method", ["dopri5", "bosh3", "euler", "midpoint", "heun2", "heun3", "rk4"])
def test_values_agree_with_torchdiffeq(method: str) -> None:
    field, t = Timed(), torch.linspace(0, 1, 5, dtype=torch.float64)
    options = {"options": {"step_size": 0.05}} if method not in ("dopri5", "bosh3") else {}
    ours = odeint(field, states(), t, method=method, **TIGHT, **options)
    theirs = torchdiffeq.odeint(field, states(), t, method=method, **TIGHT, **options)
    off = 1e-6 if method == "bosh3" else 1e-8  # its dense output there is 1e-7 away from the solution
    torch.testing.assert_close(ours, theirs, rtol=off, atol=off)


def test_gradients_agree_with_torchdiffeq() -> None:
    field = Timed()
    t = torch.tensor([0.8, 0.5, -0.1], dtype=torch.float64, requires_grad=True)
    found = []
    for solver in (odeint, torchdiffeq.odeint_adjoint):
        z0 = states().requires_grad_()
        loss = solver(field, z0, t, **TIGHT).square().sum()
        found.append(torch.autograd.grad(loss, [z0, t, field.weight, field.speed]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("solver", [DormandPrince5(), Tsitouras5(), BogackiShampine3(rtol=1e-4), RK4(steps=3)])
@pytest.mark.parametrize("times", [[0.25, 1.0], [1.0, 0.25]])
def test_the_field_is_never_evaluated_outside_the_times(solver: Any, times: list[float]) -> None:
    seen = []

    def field(t: Tensor, z: Tensor) -> Tensor:
        seen.append(float(t))
        return torch.sin(5 * t) * z

    last_of(field, states(), times, solver=solver).sum()
    assert min(seen) == 0.25
    assert max(seen) == 1.0


def test_repeated_times_repeat_the_state_and_no_length_is_the_first_state() -> None:
    field = Timed()
    values = solve(field, states(), [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]).values
    assert isinstance(values, Tensor)
    assert torch.equal(values[0], states())
    assert all(torch.equal(values[i], values[i + 1]) for i in (0, 2, 4))
    assert torch.equal(last_of(field, states(), [2.0, 2.0]), states())


@pytest.mark.parametrize("gradient", ["auto", "backprop"])
def test_a_solution_that_ends_early_says_so(gradient: str) -> None:
    z0 = torch.ones(1, dtype=torch.float64, requires_grad=True)
    cases = {
        Status.STEP_TOO_SMALL: (lambda t, z: z * z, DormandPrince5()),
        Status.TOO_MANY_STEPS: (lambda t, z: torch.sin(300 * t) * z, DormandPrince5(max_steps=10)),
        Status.NOT_FINITE: (lambda t, z: torch.log(0.5 - t) * z, DormandPrince5()),
    }
    for status, (field, solver) in cases.items():
        solution = solve(field, z0, [0.0, 0.1, 2.0], solver=solver, gradient=gradient)
        assert solution.status is status, status
        assert not solution.done
        assert 0 <= solution.reached < 2
        assert torch.isnan(solution.last).all()
        assert torch.isfinite(solution.values[1]).all() == (solution.reached >= 0.1)
        with pytest.raises(SolveError) as caught:
            odeint(field, z0, torch.tensor([0.0, 2.0]), method=solver, gradient=gradient)
        assert caught.value.solution.status is status
    first = solve(lambda t, z: z / 0, z0, [0.0, 1.0], gradient=gradient)
    assert first.status is Status.NOT_FINITE
    fixed = solve(lambda t, z: z**9, 10 * z0, [0.0, 9.0], solver=RK4(steps=9), gradient=gradient)
    assert fixed.status is Status.NOT_FINITE


def test_the_gradient_of_a_solution_that_ended_early_is_refused() -> None:
    z0 = torch.ones(1, dtype=torch.float64, requires_grad=True)
    solution = solve(lambda t, z: z * z, z0, [0.0, 2.0])
    with pytest.raises(InputError, match="ended early"):
        solution.values.sum().backward()


def test_the_smallest_step_ends_a_solution() -> None:
    solution = solve(Linear(), states(), [0.0, 1.0], solver=DormandPrince5(min_step=0.5))
    assert solution.status is Status.STEP_TOO_SMALL


def test_no_gradient_is_prepared_where_none_is_wanted() -> None:
    field = Timed().requires_grad_(False)
    solution = solve(field, states(), [0.0, 1.0])
    assert solution.statistics.gradient == "none"
    assert not solution.values.requires_grad
    with torch.no_grad():
        assert not solve(Timed(), states(), [0.0, 1.0]).values.requires_grad


def test_proportional_control_rejects_less() -> None:
    counts = []
    for control in (StepControl(), StepControl(memory=0.08)):
        solver = DormandPrince5(rtol=1e-6, atol=1e-6, control=control)
        counts.append(solve(lambda t, z: torch.sin(8 * t * t) * z, states(), [0.0, 4.0], solver=solver).statistics)
    assert counts[1].rejections < counts[0].rejections


@pytest.mark.parametrize(
    ("z0", "t", "said"),
    [
        (torch.ones(2), [0.0], "at least two"), (torch.ones(2), torch.zeros(2, 2), "one-dimensional"),
        (torch.ones(2), torch.arange(3), "one-dimensional"), (torch.ones(2), [0.0, 1.0, 0.5], "increase or decrease"),
        (torch.ones(2), [0.0, math.nan], "finite"), (torch.ones(2), [0.0, math.inf], "finite"),
        (torch.ones(2), None, "t must be"), (torch.ones(2), 1.0, "t must be"), (torch.ones(2), ["soon"], "t must be"),
        (torch.ones(2, dtype=torch.int64), [0.0, 1.0], "real"),
        ((torch.ones(2), torch.ones(2, dtype=torch.float64)), [0.0, 1.0], "one dtype"), ([1.0], [0.0, 1.0], "tensor"),
        ((), [0.0, 1.0], "tensor"),
    ],
)  # fmt: skip
def test_wrong_states_and_times_are_refused(z0: Any, t: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        solve(lambda t, z: z, z0, t)


def test_a_field_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape of its state, \(2, 3\), got \(2, 2\)"):
        solve(lambda t, z: z[:, :2], states(), [0.0, 1.0])
    with pytest.raises(InputError, match="shape of its state"):
        solve(lambda t, z: z[0], (states(), states()), [0.0, 1.0])
    with pytest.raises(InputError, match="gradient must be"):
        solve(Linear(), states(), [0.0, 1.0], gradient="adjiont")
    with pytest.raises(InputError, match=r"field must be a module or a function f\(t, z\), got str"):
        solve("field", states(), [0.0, 1.0])


@pytest.mark.parametrize("gradient", ["auto", "backprop", "rdm"])
def test_a_state_may_be_without_dimensions(gradient: str) -> None:
    start = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    found = solve(lambda t, z: -z, start, [0.0, 0.5, 1.0], gradient=gradient).values
    found[-1].backward()
    assert found.shape == (3,)
    assert float(start.grad) == pytest.approx(math.exp(-1), rel=1e-5)


def test_an_early_end_survives_pickling() -> None:
    error = SolveError(solve(lambda t, z: z * z, torch.ones(2), [0.0, 2.0]))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.solution.reached == error.solution.reached


def test_transforms_of_functions_are_for_backpropagation() -> None:
    def last(z: torch.Tensor, gradient: str) -> torch.Tensor:
        return solve(Linear(), z, [0.0, 1.0], gradient=gradient).last

    with pytest.raises(InputError, match=r"torch.func .*backprop"):
        torch.func.jacrev(lambda z: last(z, "auto"))(states())
    assert torch.func.jacrev(lambda z: last(z, "backprop"))(states()).shape == 2 * states().shape


def test_lower_precision_and_float32_keep_their_dtype() -> None:
    for dtype in (torch.float32, torch.float64):
        field = nn.Linear(3, 3).to(dtype)
        solver = DormandPrince5(rtol=1e-4, atol=1e-4)
        assert last_of(lambda t, z, field=field: field(z), states().to(dtype), [0.0, 1.0], solver=solver).dtype == dtype


def test_a_compiled_field_and_a_compiled_loop_of_given_steps_give_the_same() -> None:
    field = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    compiled = torch.compile(field, backend="aot_eager")
    found = []
    for one in (field, compiled):
        solution = solve(lambda t, z, one=one: one(z), states(), [0.0, 1.0])
        found.append(torch.autograd.grad(solution.last.square().sum(), list(field.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)

    def whole(z: Tensor) -> Tensor:
        return last_of(lambda t, z: field(z), z, [0.0, 1.0], solver=RK4(steps=2), gradient="backprop")

    torch.testing.assert_close(torch.compile(whole, backend="aot_eager", fullgraph=True)(states()), whole(states()))
