from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode import IRDM, RDM, DormandPrince5, odeint

from .fields import Timed, states

torchdiffeq = pytest.importorskip("torchdiffeq")
T = torch.tensor([0.0, 1.0], dtype=torch.float64)


@pytest.mark.parametrize(
    "given",
    [
        {"options": {"first_step": 0.01, "max_step": 0.2, "max_num_steps": 500, "safety": 0.8}},
        {"options": {"ifactor": 5.0, "dfactor": 0.3, "min_step": 0.0}},
        {"adjoint_rtol": 1e-6, "adjoint_atol": 1e-8},
        {"adjoint_options": {"norm": "seminorm"}},
        {"gradient": "rdm", "adjoint_rtol": 1e-8, "adjoint_atol": 1e-9, "adjoint_options": {"norm": "seminorm"}},
        {"gradient": "rdm", "adjoint_method": "bosh3", "adjoint_rtol": 1e-7, "adjoint_atol": 1e-8},
        {"gradient": "irdm", "adjoint_rtol": 1e-7},
        {"gradient": IRDM()},
        {"rtol": torch.tensor(1e-7), "atol": torch.tensor(1e-8)},
        {"method": DormandPrince5(rtol=1e-8)},
        {"method": "tsit5"},
    ],
)
def test_torchdiffeqs_arguments_are_honoured(given: dict[str, Any]) -> None:
    field = Timed()
    odeint(field, states(), T, **given)[-1].sum().backward()
    exact = Timed()
    torchdiffeq.odeint(exact, states(), T, rtol=1e-10, atol=1e-12)[-1].sum().backward()
    torch.testing.assert_close(field.weight.grad, exact.weight.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "dopri6"}, "did you mean dopri"), ({"options": {"jump_t": T}}, "jump_t"),
        ({"options": {"norm": print}}, "norm"), ({"method": "rk4", "options": {"first_step": 0.1}}, "first_step"),
        ({"rtol": torch.ones(3)}, "rtol must be one number"), ({"atol": "small"}, "atol must be a number"),
        ({"method": DormandPrince5(), "options": {"safety": 0.5}}, "holds its options"),
        ({"gradient": IRDM(), "adjoint_rtol": 1e-3}, "holds its options"),
        ({"gradient": "backprop", "adjoint_rtol": 1e-3}, "cannot honour"),
        ({"gradient": "checkpoint", "adjoint_method": "dopri5"}, "cannot honour"),
        ({"adjoint_atol": 1e-3}, "cannot honour"), ({"adjoint_method": "bosh3"}, "cannot honour"),
        ({"adjoint_options": {"norm": print, "min_step": 1.0}}, "cannot honour"),
        ({"adjoint_options": {"norm": print}}, "'seminorm'"),
        ({"gradient": "rdm", "adjoint_options": {"norm": print}}, "'seminorm'"),
        ({"method": 4}, "method must be"), ({"method": DormandPrince5}, "method must be"),
        ({"gradient": RDM}, "gradient must be"), ({"options": [1]}, "options must be"),
        ({"options": {"max_num_steps": "few"}}, "max_num_steps must be"),
        ({"parameters": torch.ones(2)}, "parameters must be"), ({"parameters": ["weight"]}, "parameters must be"),
        ({"adjoint_params": nn.Linear(1, 1)}, "parameters must be"),
        ({"gradient": "irdm", "adjoint_options": {"norm": "seminorm"}}, "cannot honour"),
        ({"parameters": (), "adjoint_params": ()}, "give one of them"),
        ({"gradient": "irdm", "method": "dopri8"}, "'backprop' or 'rdm'"),
        ({"event_fn": lambda t, z: z.sum(), "method": DormandPrince5()}, "events are torchdiffeq's"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        odeint(Timed(), states(), T, **given)


@pytest.mark.parametrize("gradient", ["auto", "backprop"])
def test_methods_and_events_of_torchdiffeq_are_left_to_it(gradient: str) -> None:
    field = Timed()
    found = odeint(field, states(), T, method="dopri8", gradient=gradient)
    torch.testing.assert_close(found, odeint(field, states(), T), rtol=1e-4, atol=1e-5)
    found[-1].sum().backward()
    assert field.weight.grad is not None

    def falling(t: Tensor, z: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return z[1], torch.full_like(z[1], -9.81)

    start = (torch.tensor([10.0], dtype=torch.float64), torch.tensor([0.0], dtype=torch.float64))
    time, _ = odeint(falling, start, T, event_fn=lambda t, z: z[0].sum(), gradient=gradient)
    assert float(time) == pytest.approx((20 / 9.81) ** 0.5, rel=1e-6)


def test_parameters_may_be_named() -> None:
    field = Timed()
    odeint(field, states(), T, adjoint_params=(field.speed,))[-1].sum().backward()
    assert field.weight.grad is None
    assert field.speed.grad is not None


def test_torchdiffeq_gets_the_tensors_that_a_function_closes_over() -> None:
    rate = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    odeint(lambda t, z: rate * z, states(), T, method="dopri8")[-1].sum().backward()
    assert float(rate.grad) == pytest.approx(float(states().sum()) / math.e, rel=1e-4)


def test_an_events_time_has_a_gradient_by_torchdiffeqs_interface() -> None:
    rate = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    time, _ = torchdiffeq.odeint_event(
        lambda t, z: rate * torch.ones_like(z), torch.ones(1, dtype=torch.float64), T[0],
        event_fn=lambda t, z: z[0] - 0.5, odeint_interface=odeint,
    )  # fmt: skip
    time.backward()
    assert float(rate.grad) == pytest.approx(0.5 / 4, rel=1e-5)
