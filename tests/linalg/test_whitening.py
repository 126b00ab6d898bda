"""Streaming moments equal those of the whole, and whitened points are standard, whatever the covariance."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import StreamingMoments


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moments_of(z: Tensor, batch: int = 16) -> StreamingMoments:
    moments = StreamingMoments(z.shape[1])
    for part in z.split(batch):
        moments.update(part)
    return moments


@settings(max_examples=30, deadline=None)
@given(
    samples=st.integers(1, 60),
    features=st.integers(1, 6),
    batch=st.integers(1, 60),
    cut=st.integers(0, 60),
    seed=st.integers(0, 99),
)
def test_streams_and_merges_equal_the_whole(samples: int, features: int, batch: int, cut: int, seed: int) -> None:
    z = normal(samples, features, seed) @ normal(features, features, seed + 1) + 3
    merged = moments_of(z[:cut], batch) if cut else StreamingMoments(features)
    merged.merge(moments_of(z[cut:], batch) if cut < samples else StreamingMoments(features))
    centred = z - z.mean(0)
    for moments in (moments_of(z, batch), merged):
        assert moments.samples == samples
        torch.testing.assert_close(moments.mean, z.mean(0), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(moments.covariance, centred.T @ centred / samples, rtol=1e-10, atol=1e-11)


def test_a_large_mean_does_not_drown_the_spread() -> None:
    z = normal(1000, 2, 1)
    far = moments_of(z + 1e8)  # rounding of the sum leaves 1e-8 of each point
    torch.testing.assert_close(far.covariance, moments_of(z).covariance, rtol=0, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(features=st.integers(1, 8), seed=st.integers(0, 99))
def test_whitened_points_are_standard(features: int, seed: int) -> None:
    z = normal(10 * features + 5, features, seed) @ normal(features, features, seed + 1) * 1e-6 + 5
    white = moments_of(z).whitening(rtol=1e-13).whiten(z)
    assert white.dtype == z.dtype
    whitened = moments_of(white)
    torch.testing.assert_close(whitened.mean, torch.zeros(features, dtype=torch.float64), rtol=0, atol=1e-6)
    # z = 5 + 1e-6 keeps ten digits of its spread; the condition number of the mixing costs the rest.
    torch.testing.assert_close(whitened.covariance, torch.eye(features, dtype=torch.float64), rtol=0, atol=1e-4)


def test_directions_without_variance_are_centred_and_keep_unit_scale() -> None:
    z = normal(100, 3, 2)
    z = torch.stack([z[:, 0], z[:, 1], z[:, 0], torch.full((100,), 7.0, dtype=torch.float64)], dim=1)
    whitening = moments_of(z).whitening()
    white = whitening.whiten(z)
    values = torch.linalg.eigvalsh(moments_of(white).covariance)
    torch.testing.assert_close(values, torch.tensor([0.0, 0.0, 1.0, 1.0]).double(), rtol=0, atol=1e-10)
    along_constant = torch.tensor([[0.0, 0.0, 0.0, 2.0]], dtype=torch.float64)
    moved = whitening.whiten(z[:1] + along_constant) - whitening.whiten(z[:1])
    torch.testing.assert_close(moved, along_constant, rtol=0, atol=1e-10)


def test_a_single_point_and_equal_points_are_only_centred() -> None:
    for z in (torch.ones(1, 3) * 4, torch.ones(5, 3) * 4):
        whitening = moments_of(z).whitening()
        torch.testing.assert_close(whitening.transform, torch.eye(3, dtype=torch.float64))
        torch.testing.assert_close(whitening.whiten(z), torch.zeros_like(z))


def test_the_map_is_symmetric_and_differentiable() -> None:
    whitening = moments_of(normal(50, 4, 3) @ normal(4, 4, 4)).whitening()
    torch.testing.assert_close(whitening.transform, whitening.transform.T)
    point = normal(1, 4, 5).requires_grad_()
    whitening.whiten(point).sum().backward()
    torch.testing.assert_close(point.grad, whitening.transform.sum(1)[None])


def test_wrong_input_is_refused_and_leaves_no_trace() -> None:
    moments = StreamingMoments(2)
    refused = [
        (lambda: StreamingMoments(0), "features must be at least 1, got 0"),
        (lambda: moments.update(torch.zeros(3, 3)), r"points must have shape \(batch, 2\), got \(3, 3\)"),
        (lambda: moments.update(torch.full((1, 2), float("nan"))), "points must be finite, got nan in row 0"),
        (lambda: moments.merge(StreamingMoments(3)), "must have 2 features, got 3"),
        (lambda: moments.mean, "at least one sample, got 0"),
        (lambda: moments.covariance, "at least one sample, got 0"),
        (lambda: moments.whitening(), "at least one sample, got 0"),
    ]
    for call, message in refused:
        with pytest.raises(InputError, match=message):
            call()
    assert moments.update(torch.zeros(0, 2)).samples == 0
    moments.update(torch.eye(2))
    with pytest.raises(InputError, match="rtol must be at least 0, got -1"):
        moments.whitening(rtol=-1)
    with pytest.raises(InputError, match=r"shape \(batch, 2\), got \(1, 3\)"):
        moments.whitening().whiten(torch.zeros(1, 3))
