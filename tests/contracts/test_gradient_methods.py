"""What every gradient method keeps to, whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network.guard import unchanged
from corank.ode import RK4, DormandPrince5, Gradient, Statistics, solve
from corank.ode.interpolation import Chebyshev, Hermite, PiecewiseLinear
from corank.ode.solving import GRADIENTS

from ..ode.fields import Kinked, Linear, Stiff, Timed, states

TIGHT = DormandPrince5(rtol=1e-9, atol=1e-11)
VARIANTS: dict[str, Gradient] = {
    **{name: kind() for name, kind in GRADIENTS.items()},
    "rdm-seminorm": GRADIENTS["rdm"](seminorm=True),
    "irdm": GRADIENTS["irdm"](interpolation=Chebyshev(nodes=33)),
    "irdm-hermite": GRADIENTS["irdm"](interpolation=Hermite()),
    "quadrature-node-by-node": GRADIENTS["quadrature"](together=1),
}
# Relative; the tolerance's tenth digits, and for cubics between steps of this size the seventh.
ACCURACY = {"irdm-hermite": 3e-6}
TIMES = {
    "forward": [0.0, 1.0],
    "backward": [0.8, 0.1],
    "several": [0.0, 0.4, 0.4, 1.0],
    "repeated ends": [0.2, 0.2, 0.9, 0.9],
    "no length": [0.5, 0.5],
}
FIELDS: dict[str, Callable[[], nn.Module]] = {"linear": Linear, "stiff": Stiff, "timed": Timed}


def gradients(
    field: Any, z0: Tensor, times: list[float], method: Gradient, parameters: list[Tensor], scale: float = 1.0
) -> tuple[list[Tensor], Statistics]:
    """Of a loss of all states, in state, times and parameters."""
    t = torch.tensor(times, dtype=torch.float64, requires_grad=True)
    z0 = z0.clone().requires_grad_()
    solution = solve(field, z0, t, solver=TIGHT, gradient=method)
    assert isinstance(solution.values, Tensor)
    weights = torch.linspace(1, 2, solution.values.numel(), dtype=torch.float64).view_as(solution.values)
    loss = scale * (weights * solution.values.square()).sum()
    found = torch.autograd.grad(loss, [z0, t, *parameters], allow_unused=True)
    return [torch.zeros(()) if one is None else one for one in found], solution.statistics


@cache
def reference(field: str, times: str) -> list[Tensor]:
    """The exact derivative of what backpropagation computes."""
    made = FIELDS[field]()
    return gradients(made, states(), TIMES[times], GRADIENTS["backprop"](), list(made.parameters()))[0]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_method_agrees_with_backpropagation(name: str, times: str, field: str) -> None:
    made = FIELDS[field]()
    if (field == "stiff" and times == "backward") or (field == "stiff" and name.startswith("rdm")):
        pytest.skip("the reverse of a stiff field is unstable: see the test of the round trip")
    with unchanged(made):
        found, _ = gradients(made, states(), TIMES[times], VARIANTS[name], list(made.parameters()))
    for one, other in zip(found, reference(field, times), strict=True):
        accuracy = ACCURACY.get(name, 1e-7) * (30 if field == "stiff" else 1)  # a rate of 30 times the state's error
        assert float((one - other).norm()) <= accuracy * (1e-3 + float(other.norm()))


@pytest.mark.parametrize("name", VARIANTS)
def test_gradcheck_with_a_closed_over_parameter_and_a_batch_of_one(name: str) -> None:
    def solved(z0: Tensor, t: Tensor, rate: Tensor) -> Tensor:
        found = solve(lambda t, z: torch.sin(rate * z) + t * rate, z0, t, solver=TIGHT, gradient=VARIANTS[name])
        assert isinstance(found.values, Tensor)
        return found.values

    inputs = (
        torch.tensor([[0.3, -0.7]], dtype=torch.float64, requires_grad=True),
        torch.tensor([1.0, 0.6, 0.1], dtype=torch.float64, requires_grad=True),
        torch.tensor(1.3, dtype=torch.float64, requires_grad=True),
    )
    # Steps of 1e-4 leave 1e-8 of the truncation, and 1e-9 / 1e-4 of the solver's own tolerance.
    assert torch.autograd.gradcheck(solved, inputs, eps=1e-4, atol=3e-5, rtol=3e-5)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_tuple_of_tensors_has_the_gradient_of_the_joined_state(name: str) -> None:
    field = Linear(size=4)

    def parted(t: Tensor, z: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        whole = field(t, torch.cat([z[0], z[1][:, None]], 1))
        return whole[:, :3], whole[:, 3]

    z0 = states(size=4).requires_grad_()
    solution = solve(parted, (z0[:, :3], z0[:, 3]), [0.0, 1.0], solver=TIGHT, gradient=VARIANTS[name])
    assert isinstance(solution.last, tuple)
    assert [part.shape for part in solution.values] == [(2, 2, 3), (2, 2)]
    found = torch.autograd.grad(solution.last[0].sum() + solution.last[1].square().sum(), [z0, field.matrix])
    last = field.exact(z0, 1.0)
    expected = torch.autograd.grad(last[:, :3].sum() + last[:, 3].square().sum(), [z0, field.matrix])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=max(1e-6, ACCURACY.get(name, 0)), atol=1e-6)


@pytest.mark.parametrize("name", VARIANTS)
def test_evaluations_are_counted_as_they_happen(name: str) -> None:
    field, calls = Timed(), [0]

    def counting(t: Tensor, z: Tensor) -> Tensor:
        calls[0] += 1 if t.ndim == 0 else len(t) // max(1, z0.shape[0])  # several nodes in one batch
        return field(t, z)

    z0 = states(batch=2).requires_grad_()
    solution = solve(counting, z0, [0.0, 1.0], solver=TIGHT, gradient=VARIANTS[name])
    counts = solution.statistics
    assert counts.evaluations_forward == calls[0]
    assert counts.evaluations_forward == 2 + 6 * (counts.steps + counts.rejections)
    assert isinstance(solution.last, Tensor)
    solution.last.sum().backward()
    assert counts.evaluations_backward == calls[0] - counts.evaluations_forward
    assert (counts.evaluations_backward == 0) == (name == "backprop")


@pytest.mark.parametrize("name", VARIANTS)
def test_second_derivatives_are_right_or_refused(name: str) -> None:
    z0 = torch.tensor([0.4], dtype=torch.float64, requires_grad=True)
    last = solve(lambda t, z: z * z, z0, [0.0, 1.0], solver=TIGHT, gradient=VARIANTS[name]).last
    assert isinstance(last, Tensor)
    (first,) = torch.autograd.grad(last, z0, create_graph=True)  # z0 / (1 - z0), once derived (1 - z0)^-2
    torch.testing.assert_close(float(first.detach()), 0.6**-2, rtol=1e-6, atol=0)
    if name == "backprop":
        (second,) = torch.autograd.grad(first, z0)
        torch.testing.assert_close(float(second.detach()), 2 * 0.6**-3, rtol=1e-6, atol=0)
    else:
        with pytest.raises(InputError, match="gradient='backprop'"):
            torch.autograd.grad(first, z0)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "backprop"])
def test_a_tensor_computed_outside_the_field_is_refused_or_taken_as_a_parameter(name: str) -> None:
    leaf = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    outside = 2 * leaf

    def field(t: Tensor, z: Tensor) -> Tensor:
        return outside * z

    with pytest.raises(InputError, match="computed outside it"):
        solve(field, states(), [0.0, 1.0], gradient=VARIANTS[name])
    last = solve(field, states(), [0.0, 1.0], solver=TIGHT, gradient=VARIANTS[name], parameters=[outside]).last
    assert isinstance(last, Tensor)
    last.sum().backward()
    assert leaf.grad is not None  # d/dx sum(z0 exp(2 x)) = 2 e sum(z0) at 1/2
    torch.testing.assert_close(
        leaf.grad, 2 * torch.e * states().sum(), rtol=max(1e-7, ACCURACY.get(name, 0)), atol=1e-7
    )


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in ("backprop", "irdm-hermite")])
def test_batch_norm_keeps_its_statistics_in_the_backward_pass(name: str) -> None:
    field = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, momentum=0.01)).double()
    last = solve(lambda t, z: field(z), states(batch=8), [0.0, 0.1], gradient=VARIANTS[name]).last
    before = {key: value.clone() for key, value in field.state_dict().items()}
    assert isinstance(last, Tensor)
    last.square().sum().backward()
    assert all(torch.equal(value, before[key]) for key, value in field.state_dict().items())


@pytest.mark.parametrize("name", ["quadrature", "auto"])
def test_the_unit_of_the_loss_changes_nothing(name: str) -> None:
    field = Timed().float()
    found = []
    for scale in (1e-4, 1.0, 1e4):
        solver = DormandPrince5(rtol=1e-3, atol=1e-3)
        last = solve(field, states().float(), [0.0, 6.0], solver=solver, gradient=VARIANTS[name]).last
        assert isinstance(last, Tensor)
        (gradient,) = torch.autograd.grad(scale * last.square().sum(), [field.weight])
        found.append(gradient / scale)
    for other in (found[0], found[2]):
        assert float((other - found[1]).norm()) < 1e-2 * float(found[1].norm())


def test_the_reverse_dynamic_method_does_depend_on_the_unit() -> None:
    field = Timed()
    counts = []
    for scale in (1e-4, 1e4):
        solver = DormandPrince5(rtol=1e-4, atol=1e-4)
        solution = solve(field, states(), [0.0, 2.0], solver=solver, gradient="rdm")
        assert isinstance(solution.last, Tensor)
        (scale * solution.last.square().sum()).backward()
        counts.append(solution.statistics.evaluations_backward)
    assert counts[0] < counts[1]


@pytest.mark.parametrize("rate", [40.0])
def test_an_unstable_reverse_spoils_the_reverse_dynamic_method_and_not_ours(rate: float) -> None:
    errors = {}
    for name in ("rdm", "quadrature", "auto", "checkpoint"):
        field = Linear()
        with torch.no_grad():
            field.matrix.copy_(-torch.diag(torch.tensor([1.0, 10.0, rate], dtype=torch.float64)))
        solver = DormandPrince5(rtol=1e-6, atol=1e-6)
        last = solve(field, states(), [0.0, 1.0], solver=solver, gradient=name).last
        assert isinstance(last, Tensor)
        found = torch.autograd.grad((last - 1).square().sum(), field.matrix)[0]
        exact = torch.autograd.grad((field.exact(states(), 1.0) - 1).square().sum(), field.matrix)[0]
        errors[name] = float((found - exact).norm() / exact.norm())
    assert errors["rdm"] > 0.1
    assert max(errors["quadrature"], errors["auto"], errors["checkpoint"]) < 1e-3


def test_auto_replays_fields_with_kinks_and_interpolates_smooth_ones() -> None:
    chosen = {}
    for name, field, size in (("kinked", Kinked(), 4), ("smooth", Timed(), 3)):
        solver = DormandPrince5(rtol=1e-6, atol=1e-6)
        solution = solve(field, states(batch=8, size=size), [0.0, 2.0], solver=solver)
        assert isinstance(solution.last, Tensor)
        solution.last.sum().backward()
        chosen[name] = solution.statistics
    assert chosen["kinked"].gradient == "auto: checkpoint"
    assert chosen["kinked"].evaluations_backward <= chosen["kinked"].evaluations_forward
    assert chosen["smooth"].gradient == "auto: quadrature"
    assert chosen["smooth"].interpolation_error is not None
    assert chosen["smooth"].interpolation_error < 1e-5
    given = solve(Timed(), states(), [0.0, 1.0], solver=RK4(steps=4))
    assert given.statistics.gradient == "auto: checkpoint"


def test_a_way_back_that_turns_out_costly_is_given_up_for_the_replay() -> None:
    def field(t: Tensor, z: Tensor) -> Tensor:  # smooth to the way forward, not to the way back
        return weight * torch.where(z > 1.0, 300 * (z - 1.0), 0 * z) + 0.2

    weight = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    z0 = torch.linspace(0.1, 0.799, 40, dtype=torch.float64)
    solver = DormandPrince5(rtol=1e-3, atol=1e-3)
    solution = solve(field, z0, [0.0, 1.0], solver=solver, gradient="auto")
    assert isinstance(solution.last, Tensor)
    solution.last.sum().backward()
    assert solution.statistics.gradient.startswith("auto")


@pytest.mark.parametrize("name", ["irdm", "quadrature"])
def test_solvers_of_given_steps_have_nothing_to_interpolate(name: str) -> None:
    field = Timed()
    with pytest.raises(InputError, match="no dense output"):
        solve(field, states(), [0.0, 1.0], solver=RK4(steps=4), gradient=name)
    found = []
    for method in ("backprop", "checkpoint", "auto"):
        last = solve(field, states(), [0.0, 0.5, 1.0], solver=RK4(steps=4), gradient=method).last
        assert isinstance(last, Tensor)
        found.append(torch.autograd.grad(last.square().sum(), field.weight)[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-14)
    assert torch.equal(found[1], found[2])


def test_piecewise_linear_interpolation_errs_with_the_square_of_the_distance() -> None:
    field = Timed()
    exact = reference("timed", "forward")[2]
    errors = []
    for nodes in (9, 17):
        method = GRADIENTS["irdm"](interpolation=PiecewiseLinear(nodes=nodes), rtol=1e-5, atol=1e-5)
        found, _ = gradients(field, states(), TIMES["forward"], method, [field.weight])
        errors.append(float((found[2] - exact).norm()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("quadrature", {"nodes": 10}, "power of two"), ("quadrature", {"nodes": 2}, "power of two"),
        ("quadrature", {"loosening": 0.0}, "loosening"), ("quadrature", {"rtol": -1.0}, "rtol"),
        ("quadrature", {"together": 0}, "together"), ("auto", {"loosening": float("inf")}, "loosening"),
        ("auto", {"rtol": 0.0}, "rtol"), ("auto", {"together": 0}, "together"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        GRADIENTS[name](**options)
