"""Forecasts of the smallest perturbation: exact for linear classifiers, better than the plain guess where g bends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.linalg import shortest_steps
from corank.measure import boundary_forecast
from tests.contracts.methods import Snapshot, lively

DATA = torch.float64


class Made(nn.Module):
    """Logits by a function."""

    def __init__(self, make: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: Tensor) -> Tensor:
        return self.make(x)


def linear(classes: int = 4, features: int = 6) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(features, classes).double()


def inputs_of(network: nn.Module, count: int = 40) -> tuple[Tensor, Tensor]:
    x = torch.rand(count, 6, generator=torch.Generator().manual_seed(1), dtype=DATA)
    with torch.no_grad():
        return x, network(x).argmax(1)


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_it_is_exact_for_a_linear_classifier(bounds: tuple[float, float] | None) -> None:
    network = linear()
    x, y = inputs_of(network)
    found = boundary_forecast(network, x, y, bounds=bounds, batch_size=7)
    weight, logits = network.weight.detach(), network(x).detach()
    for place in range(len(x)):
        own = int(y[place])
        normals = weight[own] - weight
        margins = logits[place, own] - logits[place]
        others = [c for c in range(4) if c != own]
        plain = margins[others] / normals[others].norm(dim=1)
        lengths, _ = shortest_steps(x[place].expand(3, 6), normals[others], margins[others], bounds)
        assert float(found.first_order[place]) == pytest.approx(float(plain.min()), rel=1e-6)
        assert float(found.predicted[place]) == pytest.approx(float(lengths.min()), rel=1e-6)
        assert int(found.classes[place]) == others[int(lengths.argmin())]


def test_a_class_may_be_named() -> None:
    network = linear()
    x, y = inputs_of(network)
    towards = (y + 1) % 4
    found = boundary_forecast(network, x, y, towards=towards)
    rows = torch.arange(len(x))
    logits, weight = network(x).detach(), network.weight.detach()
    exact = (logits[rows, y] - logits[rows, towards]) / (weight[y] - weight[towards]).norm(dim=1)
    assert found.predicted.numpy() == pytest.approx(exact.numpy(), rel=1e-6)
    assert torch.equal(found.classes, towards)


@pytest.mark.parametrize("bend", [0.3, -0.2])
def test_a_bent_difference_is_foretold_to_higher_order(bend: float) -> None:
    """g = s - x + bend x^2 is zero near s: the plain guess is off by bend s^2, the forecast by order s^3."""
    network = Made(lambda x: torch.cat([0 * x, x - bend * x.square()], 1))
    errors = []
    for s in (0.2, 0.1):
        shifted = Made(lambda x, s=s: network(x) + torch.tensor([s, 0.0], dtype=DATA))  # type: ignore[misc]
        found = boundary_forecast(shifted, torch.zeros(1, 1, dtype=DATA), torch.tensor([0]))
        root = (1 - (1 - 4 * bend * s) ** 0.5) / (2 * bend)
        errors.append((abs(float(found.first_order) - root), abs(float(found.predicted) - root)))
    assert errors[0][0] / errors[1][0] == pytest.approx(4, rel=0.3)
    assert all(ours < plain / 2 for plain, ours in errors)


@pytest.mark.parametrize("context", [torch.no_grad, torch.enable_grad])
def test_the_network_comes_back_as_it_was(context: Callable[[], torch.no_grad]) -> None:
    network = lively()
    before = Snapshot.of(network)
    with context():
        boundary_forecast(network, torch.rand(5, 1, 4, 4), torch.arange(5) % 4, bounds=(0.0, 1.0))
    assert Snapshot.of(network) == before


def test_where_no_gradient_leads_out_nothing_is_foretold() -> None:
    found = boundary_forecast(
        Made(lambda x: x[:, :2] * 0 + torch.tensor([1.0, 0.0])), torch.rand(3, 4), torch.zeros(3).long()
    )
    assert found.predicted.tolist() == [torch.inf] * 3
    assert found.first_order.tolist() == [torch.inf] * 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: torch.stack([x.sum(1).sqrt(), 1 - x.sum(1)], 1), "gradients of the network must be finite"),
        (lambda x: x[:, :2] / 0, "logits of the network must be finite"),
        (lambda x: x[:, :1], r"\(2, C\) with C at least 2, got \(2, 1\)"),
        (lambda x: torch.ones(len(x), 2), "no gradient reaches the input"),
    ],
)  # fmt: skip
def test_networks_without_an_answer_are_refused(make: Callable[[Tensor], Tensor], words: str) -> None:
    with pytest.raises(InputError, match=words):
        boundary_forecast(Made(make), torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))


def test_wrong_options_are_refused() -> None:
    network = linear()
    x, y = inputs_of(network)
    for options, words in [
        ({"candidates": 0}, "candidates must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"towards": y + 4}, r"outside 0 \.\. 3"),
        ({"towards": y[:3]}, "images must be"),
    ]:
        with pytest.raises(InputError, match=words):
            boundary_forecast(network, x, y, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"outside 0 \.\. 3"):
        boundary_forecast(network, x, y + 4)
