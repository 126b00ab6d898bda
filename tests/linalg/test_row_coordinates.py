"""Coordinates that a sketch keeps are the projections of its rows, as far as it kept their directions."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import FrequentDirections


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def keeping(size: int, features: int, dtype: torch.dtype = torch.float64) -> FrequentDirections:
    return FrequentDirections(size, features, coordinates=True, dtype=dtype)


def streamed(sketch: FrequentDirections, rows: Tensor, batch: int) -> FrequentDirections:
    for piece in rows.split(batch):
        sketch.update(piece)
    return sketch


def assert_within(sketch: FrequentDirections, rows: Tensor) -> None:
    """The bounds that hold for any rows."""
    found, exact = sketch.coordinates, rows.double() @ sketch.right_vectors.double().T
    rounding = (1e-12 if sketch.dtype == torch.float64 else 1e-5) * sketch.energy
    assert found.shape == exact.shape
    lacking = sketch.energy - float(found.square().sum())
    assert lacking >= -rounding
    assert float((found - exact).square().sum()) <= lacking + rounding
    assert bool((found.square().sum(0) >= sketch.eigenvalues - rounding).all())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("batch", [1, 9, 64])
def test_low_rank_rows_have_exact_coordinates(dtype: torch.dtype, tolerance: float, batch: int) -> None:
    rows = (normal(300, 6, 1) * 0.5 ** torch.arange(6)) @ normal(6, 2500, 2)
    rows = rows.to(dtype)
    sketch = streamed(keeping(12, 2500, dtype), rows, batch)
    vectors = sketch.right_vectors.double()
    assert len(vectors) >= 6
    gap = (sketch.coordinates - rows.double() @ vectors.T)[:, :6]
    assert float(gap.abs().max()) <= tolerance * float(rows.norm(dim=1).max())
    assert float((sketch.coordinates @ vectors - rows.double()).norm()) <= 2 * tolerance * float(rows.norm())


@given(
    decay=st.sampled_from([0.5, 0.8, 1.0]),
    size=st.integers(1, 12),
    count=st.integers(1, 90),
    batch=st.sampled_from([1, 5, 200]),
    single=st.booleans(),
)
def test_errors_are_bounded_by_what_was_lost(decay: float, size: int, count: int, batch: int, single: bool) -> None:
    dtype = torch.float32 if single else torch.float64
    rows = (normal(count, 20, count) * decay ** torch.arange(20)).to(dtype)
    assert_within(streamed(keeping(size, 20, dtype), rows, batch), rows)


def test_decaying_rows_have_nearly_exact_leading_coordinates() -> None:
    rows = normal(2000, 60, 3) * 0.8 ** torch.arange(60)
    sketch = streamed(keeping(30, 60), rows, 50)
    gap = sketch.coordinates - rows @ sketch.right_vectors.T
    # all that was ever lost lies beyond the 30th direction, whose share of the norm is 0.8^30 = 0.0012
    assert float(gap.norm()) <= 0.0012 * float(rows.norm())
    assert float(gap[:, :5].norm()) <= 0.0001 * float(rows.norm())


@given(cuts=st.lists(st.integers(0, 80), min_size=1, max_size=3), size=st.integers(2, 12))
def test_merged_sketches_concatenate_their_rows(cuts: list[int], size: int) -> None:
    rows = normal(80, 15, 4) * 0.7 ** torch.arange(15)
    ends = [0, *sorted(cuts), 80]
    merged = keeping(size, 15)
    for begin, end in pairwise(ends):
        merged.merge(streamed(keeping(size, 15), rows[begin:end], 6))
    assert_within(merged, rows)
    assert_within(merged.merge(merged), torch.cat([rows, rows]))
    assert_within(merged.update(rows[:9]), torch.cat([rows, rows, rows[:9]]))


@pytest.mark.parametrize("count", [0, 5, 40])
def test_a_restored_sketch_goes_on(count: int) -> None:
    rows, later = normal(count, 15, 5), normal(33, 15, 6)
    restored = keeping(6, 15).update(later).load_state_dict(keeping(6, 15).update(rows).state_dict())
    assert_within(restored.update(later), torch.cat([rows, later]))
    direct = keeping(6, 15).update(rows).update(later)
    torch.testing.assert_close(restored.coordinates, direct.coordinates, rtol=0, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_coordinates_have_the_scale_of_the_rows(scale: float) -> None:
    rows = normal(100, 15, 7) * 0.7 ** torch.arange(15)
    plain, scaled = keeping(6, 15, torch.float32), keeping(6, 15, torch.float32)
    plain.update(rows.float())
    scaled.update((rows[:50] * scale).float()).merge(keeping(6, 15, torch.float32).update((rows[50:] * scale).float()))
    assert_within(plain, rows.float())
    found, exact = scaled.coordinates / scale, rows @ scaled.right_vectors.double().T
    lacking = scaled.energy / scale**2 - float(found.square().sum())
    assert float((found - exact).square().sum()) <= lacking + 1e-5 * float(rows.square().sum())


def test_zero_rows_have_zero_coordinates() -> None:
    rows = torch.zeros(60, 8, dtype=torch.float64)
    rows[30:, :3] = normal(30, 3, 8)
    sketch = streamed(keeping(5, 8), rows, 4)
    torch.testing.assert_close(sketch.coordinates, rows @ sketch.right_vectors.T, rtol=0, atol=1e-12)
    only_zeros = keeping(5, 8).update(torch.zeros(30, 8))
    assert only_zeros.coordinates.shape == (30, 0)
    assert keeping(5, 8).coordinates.shape == (0, 0)


def test_sketching_is_not_changed_by_keeping_coordinates() -> None:
    rows = normal(200, 30, 9)
    kept, plain = keeping(6, 30).update(rows), FrequentDirections(6, 30, dtype=torch.float64).update(rows)
    assert torch.equal(kept.right_vectors, plain.right_vectors)
    assert kept.shrinkage == plain.shrinkage


def test_sketches_without_coordinates_say_so() -> None:
    plain = FrequentDirections(4, 6).update(torch.eye(6))
    with pytest.raises(InputError, match="make it with coordinates=True"):
        _ = plain.coordinates
    with pytest.raises(InputError, match="both keep coordinates or both not"):
        plain.merge(FrequentDirections(4, 6, coordinates=True))
    with pytest.raises(InputError, match="not the state of a FrequentDirections"):
        plain.load_state_dict(FrequentDirections(4, 6, coordinates=True).state_dict())
