"""Divergences: closed form, exact and estimated agree, and gradients go through them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode.concatsquash import ConcatSquash, ConcatSquashField
from corank.ode.divergence import Exact, Hutchinson, KnowsDivergence

TIME = torch.tensor(0.3, dtype=torch.float64)


class Hidden(nn.Module):
    """A field that does not tell its divergence."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field = field

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        found: Tensor = self.field(t, z)
        return found


def field_of(dimension: int, activation: str = "tanh", hidden: tuple[int, ...] = (7, 5)) -> ConcatSquashField:
    torch.manual_seed(0)
    return ConcatSquashField(dimension, hidden=hidden, activation=activation).double()


def points(dimension: int, count: int = 6) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def traces(field: nn.Module, z: Tensor) -> Tensor:
    """The traces of Jacobians that autograd takes point by point."""
    return torch.stack(
        [torch.autograd.functional.jacobian(lambda p: field(TIME, p[None])[0], point).trace() for point in z]
    )


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
@pytest.mark.parametrize(("dimension", "hidden"), [(1, (4,)), (2, (7, 5)), (4, (3, 6, 5))])
def test_closed_form_and_exact_are_the_trace(dimension: int, hidden: tuple[int, ...], activation: str) -> None:
    field, z = field_of(dimension, activation, hidden), points(dimension)
    expected = traces(field, z)
    for one in (field, Hidden(field)):
        dz, divergence = Exact().of(one, TIME, z, None)
        assert torch.equal(dz, field(TIME, z)) or torch.allclose(dz, field(TIME, z), rtol=1e-14)
        assert torch.allclose(divergence, expected, rtol=1e-12, atol=1e-14)
    assert isinstance(field, KnowsDivergence)
    assert not isinstance(Hidden(field), KnowsDivergence)


def test_a_time_for_each_point_is_as_many_calls() -> None:
    field, z = field_of(2), points(2, 4)
    times = torch.tensor([[0.0], [0.3], [0.7], [1.0]], dtype=torch.float64)
    together = field.with_divergence(times, z)
    alone = [field.with_divergence(t[0], one[None]) for t, one in zip(times, z, strict=True)]
    assert torch.allclose(together[0], torch.cat([dz for dz, _ in alone]), rtol=1e-12)
    assert torch.allclose(together[1], torch.cat([divergence for _, divergence in alone]), rtol=1e-12)


def test_a_layer_is_the_formula() -> None:
    torch.manual_seed(0)
    layer, z = ConcatSquash(3, 2).double(), points(3)
    weight, bias = layer.linear.weight, layer.linear.bias
    gate = torch.sigmoid(TIME * layer.gate.weight[:, 0] + layer.gate.bias)
    expected = (z @ weight.T + bias) * gate + TIME * layer.shift.weight[:, 0]
    assert torch.allclose(layer(TIME, z), expected, rtol=1e-13)


@pytest.mark.parametrize("kind", ["gaussian", "rademacher"])
def test_hutchinson_is_unbiased(kind: str) -> None:
    field, count = Hidden(field_of(2)), 20_000
    z = points(2, 1).expand(count, 2)
    method = Hutchinson(noise_kind=kind)
    noise = method.noise(z, torch.Generator().manual_seed(0))
    _, estimates = method.of(field, TIME, z, noise)
    estimates = estimates.detach()
    error = float(estimates.std()) / count**0.5
    assert float(estimates.mean()) == pytest.approx(float(traces(field, z[:1])), abs=5 * error)


def test_signs_are_exact_where_the_jacobian_is_diagonal() -> None:
    z, method = points(3), Hutchinson(noise_kind="rademacher")
    noise = method.noise(z, torch.Generator().manual_seed(0))
    _, estimate = method.of(lambda t, x: x**2, TIME, z, noise)
    assert torch.allclose(estimate, (2 * z).sum(1), rtol=1e-12)


@pytest.mark.parametrize("method", [Exact(), Hutchinson(), Hutchinson(noise_kind="gaussian")])
def test_gradients_go_through_the_divergence(method: Exact | Hutchinson) -> None:
    field, z = Hidden(field_of(2)), points(2, 3).requires_grad_()
    noise = method.noise(z, torch.Generator().manual_seed(0))

    def value(x: Tensor, *_: Tensor) -> Tensor:
        dz, divergence = method.of(field, TIME, x, noise)
        return (dz**2).sum() + (divergence**3).sum()

    assert torch.autograd.gradcheck(value, (z, *field.parameters()))


def test_without_gradients_nothing_is_recorded() -> None:
    field, z = Hidden(field_of(2)), points(2)
    for method in (Exact(), Hutchinson()):
        noise = method.noise(z, torch.Generator().manual_seed(0))
        expected = method.of(field, TIME, z, noise)
        with torch.no_grad():
            found = method.of(field, TIME, z, noise)
        for one, other in zip(found, expected, strict=True):
            assert not one.requires_grad
            assert torch.allclose(one, other, rtol=1e-12)


def test_a_constant_field_has_no_divergence() -> None:
    z = points(2)
    assert not Exact().of(lambda t, x: torch.ones_like(x), TIME, z, None)[1].any()


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="unknown noise 'pink'"):
        Hutchinson(noise_kind="pink")
    with pytest.raises(InputError, match="unknown activation 'relu'"):
        ConcatSquashField(2, activation="relu")
    with pytest.raises(InputError, match=r"at least one, .*, got \(\)"):
        ConcatSquashField(2, hidden=())
