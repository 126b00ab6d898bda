"""The bounds enclose the mutual information where it is known, and agree with the formula written out."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import logsumexp
from torch import Tensor

from corank.errors import InputError
from corank.linalg import information_bounds, pairwise_squared_distances


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def written_out(h: np.ndarray, variance: float) -> tuple[float, float]:
    squares = ((h[:, None] - h[None]) ** 2).sum(-1)
    return tuple(float(-np.mean(logsumexp(-squares / (c * variance), axis=1) - np.log(len(h)))) for c in (8, 2))  # type: ignore[return-value]


def entropy_of_mixture(points: np.ndarray, variance: float) -> float:
    """Of equally likely normal densities on the line, by quadrature, in nats."""

    def integrand(place: float) -> float:
        log_density = logsumexp(-((place - points) ** 2) / (2 * variance)) - math.log(
            len(points) * math.sqrt(2 * math.pi * variance)
        )
        return -math.exp(log_density) * log_density

    reach = 10 * math.sqrt(variance)
    ends = sorted({*np.clip(points, points.min(), points.max()), points.min() - reach, points.max() + reach})
    return sum(quad(integrand, low, high, limit=200)[0] for low, high in pairwise(ends))


@pytest.mark.parametrize("spread", [0.01, 0.3, 1.0, 3.0, 100.0])
def test_information_of_a_mixture_on_the_line_lies_between(spread: float) -> None:
    points = normal(12, 1, 1) * spread
    noise = 0.5 * math.log(2 * math.pi * math.e * 0.1)
    exact = entropy_of_mixture(points[:, 0].numpy(), 0.1) - noise
    found = information_bounds(points)
    assert found.lower - 1e-7 <= exact <= found.upper + 1e-7
    assert found.upper - found.lower <= 0.5 * math.log(4) + 1e-7  # their gap in one dimension


@pytest.mark.parametrize("gap", [0.1, 1.0, 3.0])
def test_information_about_labels_lies_between(gap: float) -> None:
    labels = torch.arange(12) % 3
    points = normal(12, 1, 2) * 0.4 + gap * labels[:, None]
    whole = entropy_of_mixture(points[:, 0].numpy(), 0.1)
    within = [entropy_of_mixture(points[labels == label, 0].numpy(), 0.1) for label in range(3)]
    exact = whole - sum(within) / 3
    found = information_bounds(points, labels=labels)
    assert found.label_lower <= exact <= found.label_upper
    assert found.label_entropy == pytest.approx(math.log(3))


def test_gaussian_data_follow_the_formula_of_the_channel() -> None:
    # h ~ N(0, I) in two dimensions: I(T; X) = log(1 + 1 / s^2); bounds with a sum over samples come near from m = 4000
    found = information_bounds(normal(4000, 2, 3), noise_variance=1.0)
    assert found.lower <= math.log(2) <= found.upper
    # the integrals of the two kernels in closed form: E log(1/m sum exp) -> E[-log E' exp(-|h - h'|^2 / c)]
    for value, c in ((found.lower, 8.0), (found.upper, 2.0)):
        limit = math.log(1 + 2 / c) + 2 / (c + 2)  # two dimensions, E |h|^2 = 2
        assert value == pytest.approx(limit, rel=0.02)


@given(
    samples=st.integers(1, 40),
    features=st.integers(1, 6),
    block=st.integers(1, 50),
    scale=st.sampled_from([1e-3, 1.0, 30.0]),
    seed=st.integers(0, 99),
)
def test_agrees_with_the_formula_written_out(samples: int, features: int, block: int, scale: float, seed: int) -> None:
    h, labels = normal(samples, features, seed) * scale + 5, torch.arange(samples) % 3 - 7
    found = information_bounds(h, 0.3, labels, block=block)
    lower, upper = written_out(h.numpy(), 0.3)
    assert (found.lower, found.upper) == (pytest.approx(lower, abs=1e-3), pytest.approx(upper, abs=1e-3))
    assert -1e-12 <= found.lower <= found.upper + 1e-6
    assert found.upper <= found.limit + 1e-12
    within = np.zeros(2)
    for label in labels.unique():
        chosen = h[labels == label]
        within += len(chosen) / samples * np.array(written_out(chosen.numpy(), 0.3))
    assert found.label_lower == pytest.approx(lower - within[1], abs=2e-3)
    assert found.label_upper == pytest.approx(upper - within[0], abs=2e-3)


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
def test_rounding_of_far_points_does_not_show(offset: float) -> None:
    h = torch.cat([normal(50, 3, 4) * 0.2, normal(50, 3, 5) * 0.2 + offset])
    found, expected = information_bounds(h, 0.1), written_out(h.numpy(), 0.1)
    assert (found.lower, found.upper) == (pytest.approx(expected[0], abs=2e-3), pytest.approx(expected[1], abs=2e-3))


def test_a_large_mean_does_not_drown_the_distances() -> None:
    h = normal(80, 3, 6) * 0.3
    near, far = information_bounds(h), information_bounds(h + 1e8)  # which keep eight digits of h
    assert (far.lower, far.upper) == (pytest.approx(near.lower, abs=1e-5), pytest.approx(near.upper, abs=1e-5))


def test_saturation_is_flagged() -> None:
    apart = information_bounds(100 * torch.eye(64), labels=torch.arange(64) % 2)
    assert apart.lower == pytest.approx(math.log(64), abs=1e-12)
    assert apart.limit == apart.upper == apart.lower
    assert apart.lower_saturated
    assert apart.upper_saturated
    assert apart.label_lower == pytest.approx(math.log(2), abs=1e-12)
    together = information_bounds(torch.zeros(64, 3), labels=torch.arange(64) % 2)
    assert together.lower == together.upper == together.label_lower == together.label_upper == 0
    assert not together.lower_saturated
    assert not together.upper_saturated
    wide = information_bounds(normal(500, 4, 6), 0.1)  # only the upper one is at its limit
    assert wide.upper_saturated
    assert not wide.lower_saturated


@given(samples=st.integers(1, 30), block=st.integers(1, 40), seed=st.integers(0, 99))
def test_blocks_cover_the_upper_triangle(samples: int, block: int, seed: int) -> None:
    h = normal(samples, 4, seed)
    h[samples // 2] = h[0]  # a distance of zero, which rounding may make negative
    found = torch.full((samples, samples), -1.0, dtype=torch.float64)
    for rows, columns, squares in pairwise_squared_distances(h, block=block):
        assert columns.start >= rows.start
        found[rows, columns] = squares
        found[columns, rows] = squares.T
    torch.testing.assert_close(found, torch.cdist(h, h).square(), rtol=1e-9, atol=1e-12)
    assert bool((found >= 0).all())
    assert bool((found.diagonal() == 0).all())


def test_wrong_input_is_refused() -> None:
    h = normal(6, 3, 8)
    refused = [
        (lambda: information_bounds(h[0]), r"at least one sample, got \(3,\)"),
        (lambda: information_bounds(h[:0]), r"at least one sample, got \(0, 3\)"),
        (lambda: information_bounds(h / 0), "h must be finite, got -?inf in row 0"),
        (lambda: information_bounds(h, 0.0), "noise_variance must be positive and finite, got 0.0"),
        (lambda: information_bounds(h, labels=torch.zeros(5).long()), r"labels must be 6 whole numbers.*\(5,\)"),
        (lambda: information_bounds(h, labels=torch.zeros(6)), r"labels must be 6 whole numbers.*got torch.float32"),
        (lambda: information_bounds(h, block=0), "block must be at least 1, got 0"),
        (lambda: list(pairwise_squared_distances(h[0])), r"matrix \(samples, features\), got torch.float64 \(3,\)"),
    ]
    for call, message in refused:
        with pytest.raises(InputError, match=message):
            call()
