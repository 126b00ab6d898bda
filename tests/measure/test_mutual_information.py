from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor, nn

from corank.errors import InputError
from corank.linalg import information_bounds
from corank.measure import InformationLayer, MutualInformation

from .by_hand import chance, normal, result_by_hand


def informed(rows: Tensor, labels: Tensor, noise_variance: float = 0.1, batch: int = 37) -> InformationLayer:
    found = result_by_hand(MutualInformation(noise_variance=noise_variance), rows, labels, batch=batch)
    assert isinstance(found, InformationLayer)
    return found


def labels_of(samples: int, classes: int) -> Tensor:
    return torch.randint(classes, (samples,), generator=chance(3))


def entropy_of_mixture(points: np.ndarray, variance: float) -> float:
    """Of a mixture of normal distributions on a line, in nats, by quadrature."""

    def integrand(t: float) -> float:
        density = np.exp(-((t - points) ** 2) / (2 * variance)).mean() / math.sqrt(2 * math.pi * variance)
        return float(-density * np.log(density)) if density > 0 else 0.0

    reach = 10 * math.sqrt(variance)
    grid = np.linspace(points.min() - reach, points.max() + reach, 60)
    return sum(quad(integrand, low, high, epsabs=1e-9)[0] for low, high in pairwise(grid))


@pytest.mark.parametrize("spread", [0.1, 0.5, 3.0])
def test_the_information_of_a_gaussian_mixture_lies_between_the_bounds(spread: float) -> None:
    """Points on a line somewhere in 50 dimensions: along the line T is a mixture, across it only noise."""
    variance, samples = 0.1, 24
    places, labels = normal(samples) * spread, labels_of(samples, 3)
    places += labels * spread
    direction = normal(50, seed=1)
    direction /= direction.norm()
    found = informed(places[:, None] * direction + 7, labels, variance)
    points, noise = places.numpy(), 0.5 * math.log(2 * math.pi * math.e * variance)
    whole = entropy_of_mixture(points, variance)
    within = sum(
        float((labels == y).double().mean()) * entropy_of_mixture(points[(labels == y).numpy()], variance)
        for y in range(3)
    )
    assert found.input.low <= whole - noise <= found.input.high
    assert found.label.low <= whole - within <= found.label.high
    assert found.input.high - found.input.low < 0.7


def test_far_clusters_tell_exactly_which_one_it_is() -> None:
    clusters = torch.arange(5).repeat(8)
    found = informed(normal(5, 30)[clusters] * 100, clusters)
    for bounds in (found.input, found.label):
        assert (bounds.low, bounds.high) == pytest.approx((math.log(5), math.log(5)), abs=1e-9)
        assert not bounds.is_saturated
    assert found.label_entropy == pytest.approx(math.log(5))


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_it_is_the_bound_of_the_activations_themselves(dtype: torch.dtype, rounding: float) -> None:
    rows, labels = (normal(150, 400) * 0.05 + 1).to(dtype), labels_of(150, 4)
    expected, found = information_bounds(rows.double(), 0.1, labels), informed(rows, labels)
    assert found.label == informed(rows, labels, batch=11).label
    assert (found.input.low, found.input.high) == pytest.approx((expected.lower, expected.upper), abs=rounding)
    assert found.label.low == pytest.approx(max(0.0, expected.label_lower or 0.0), abs=rounding)
    assert found.label.high == pytest.approx(min(expected.label_upper or 0, found.label_entropy), abs=rounding)
    assert (found.samples, found.limit, found.width) == (150, math.log(150), 400)


def test_too_few_samples_are_flagged() -> None:
    found = informed(normal(60, 20) * 100, labels_of(60, 3))
    assert found.input.is_saturated
    assert found.label.is_saturated
    assert found.input.low == pytest.approx(found.limit)
    assert not informed(normal(60, 20) * 1e-3, labels_of(60, 3)).input.is_saturated


def test_information_about_the_label_stays_between_nothing_and_its_entropy() -> None:
    for scale in (0.0, 1e-3, 0.1, 1.0, 100.0):
        found = informed(normal(80, 10) * scale, labels_of(80, 4))
        assert 0 <= found.label.low <= found.label.high <= found.label_entropy


def test_the_tokens_of_a_sample_count_together() -> None:
    tokens, labels = normal(60, 5, 4) * 0.2, labels_of(60, 3)
    assert informed(tokens, labels) == informed(tokens.flatten(1), labels)


@pytest.mark.parametrize("wrong", [0.0, -0.1, math.nan, math.inf])
def test_a_noise_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match=f"noise_variance must be positive and finite, got {wrong}"):
        MutualInformation(noise_variance=wrong)


def test_no_held_out_sample_is_refused() -> None:
    with pytest.raises(InputError, match="no sample was held out"):
        informed(torch.zeros(0, 3), torch.zeros(0).long())


def test_a_network_is_measured_at_every_layer() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x, y = normal(200, 4), labels_of(200, 3)
    found = MutualInformation().measure(network, list(zip(x.split(30), y.split(30), strict=True)))
    heldout = torch.arange(200) % 5 == 4
    for layer, end in zip(found.layers, (2, 4), strict=True):
        expected = information_bounds(network[:end](x[heldout]), 0.1, y[heldout])
        assert (layer.input.low, layer.input.high) == pytest.approx((expected.lower, expected.upper), abs=1e-6)
    assert (found.samples, found.label_entropy) == (40, pytest.approx(expected.label_entropy))
