"""What every sketch keeps to: one set of laws for all that the room has.

Linear sketches (all but Frequent Directions) depend on the rows up to rounding only, whatever their order, batches
and shards. Sums of some hundred terms lose a few eps: 1e-6 of the norm in float32, 1e-12 in float64. What is read
from them loses about ten times that, as it goes through a Gram matrix and a shift of the size of the rounding.
Frequent Directions may differ by its certificate.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import corank.linalg
from corank.discover import methods_of
from corank.errors import InputError
from corank.linalg import FrequentDirections, HashingSketch, Sketch

SKETCHES = methods_of(corank.linalg, Sketch)
LINEAR = [name for name in SKETCHES if name != "frequent-directions"]
DTYPES = [torch.float32, torch.float64]
OF_SUMS = {torch.float32: 1e-6, torch.float64: 1e-12}
OF_FACTORS = {torch.float32: 1e-5, torch.float64: 1e-11}


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def decaying(rows: int, columns: int, seed: int, decay: float = 0.8) -> Tensor:
    return normal(rows, columns, seed) * decay ** torch.arange(columns)


def make(name: str, size: int, features: int, dtype: torch.dtype, first_row: int = 0) -> Sketch:
    more = {"first_row": first_row} if SKETCHES[name] is HashingSketch else {}
    return SKETCHES[name](size, features, dtype=dtype, **more)


def streamed(sketch: Sketch, rows: Tensor, batch: int) -> Sketch:
    for piece in rows.split(batch):
        sketch.update(piece)
    return sketch


def covariance(sketch: Sketch) -> Tensor:
    """What the sketch says that A^T A is."""
    vectors = sketch.right_vectors.to(torch.float64)
    return vectors.T @ (sketch.eigenvalues[:, None] * vectors)


def assert_equal(one: Sketch, other: Sketch, scale: float | None = None) -> None:
    """Both tell of the same rows, up to rounding and certificates; of rows `scale` times as large if given."""
    held, expected = covariance(one) / (scale or 1.0) ** 2, covariance(other)
    rounding = max(OF_FACTORS[one.dtype], OF_FACTORS[other.dtype]) * float(torch.linalg.matrix_norm(expected, 2))
    certified = max(other.shrinkage, one.shrinkage) if isinstance(other, FrequentDirections) else 0.0
    assert float(torch.linalg.matrix_norm(held - expected, 2)) <= rounding + certified
    assert one.rows_seen == other.rows_seen
    assert one.energy / (scale or 1.0) ** 2 == pytest.approx(other.energy, rel=1e-6 if scale else 1e-12)


def held(sketch: Sketch) -> Tensor:
    """The sums that a linear sketch is made of, in the scale of the rows."""
    state = sketch.state_dict()
    if "products" in state:
        return state["products"].to(torch.float64) * state["unit"] ** 2
    return state["buckets"].to(torch.float64) * state["unit"]


def assert_same_sums(one: Sketch, other: Sketch) -> None:
    gap = torch.linalg.vector_norm(held(one) - held(other))
    assert float(gap) <= OF_SUMS[one.dtype] * float(torch.linalg.vector_norm(held(other)))


def test_the_room_has_its_four_sketches() -> None:
    assert set(SKETCHES) == {"frequent-directions", "hashing", "nystrom", "range-finder"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SKETCHES)
@settings(max_examples=12)
@given(batch=st.sampled_from([1, 3, 17, 200]), seed=st.integers(0, 99))
def test_batches_split_anyhow_give_the_same_sketch(name: str, dtype: torch.dtype, batch: int, seed: int) -> None:
    rows = decaying(120, 30, seed).to(dtype)
    whole = make(name, 12, 30, dtype).update(rows)
    split = streamed(make(name, 12, 30, dtype), rows, batch)
    assert_equal(split, whole)
    if name in LINEAR:
        assert_same_sums(split, whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SKETCHES)
@settings(max_examples=12)
@given(cuts=st.lists(st.integers(0, 120), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_merged_shards_are_one_sketch(name: str, dtype: torch.dtype, cuts: list[int], seed: int) -> None:
    rows = decaying(120, 30, seed).to(dtype)
    ends = [0, *sorted(cuts), 120]
    shards = [streamed(make(name, 12, 30, dtype, first_row=begin), rows[begin:end], 7) for begin, end in pairwise(ends)]
    before = shards[-1].state_dict()
    merged = make(name, 12, 30, dtype, first_row=1000)
    for shard in shards:
        merged.merge(shard)
    whole = make(name, 12, 30, dtype).update(rows)
    assert_equal(merged, whole)
    if name in LINEAR:
        assert_same_sums(merged, whole)
    assert all(torch.equal(before[key], value) for key, value in shards[-1].state_dict().items())


@pytest.mark.parametrize("name", ["nystrom", "range-finder"])
def test_order_does_not_matter(name: str) -> None:
    rows = decaying(200, 30, 1)
    shuffled = rows[torch.randperm(200, generator=torch.Generator().manual_seed(2))]
    one, other = (make(name, 12, 30, torch.float64).update(given) for given in (rows, shuffled))
    assert_same_sums(one, other)
    assert_equal(one, other)


@pytest.mark.parametrize("name", ["nystrom", "range-finder", "frequent-directions"])
def test_merging_with_itself_counts_every_row_twice(name: str) -> None:
    rows = decaying(50, 20, 3)
    sketch = make(name, 12, 20, torch.float64).update(rows)
    assert_equal(sketch.merge(sketch), make(name, 12, 20, torch.float64).update(rows).update(rows))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SKETCHES)
@pytest.mark.parametrize("scale", [1e-35, 1e-20, 1e-6, 1e6, 1e20, 1e34])
def test_scale_of_the_rows_does_not_matter(name: str, dtype: torch.dtype, scale: float) -> None:
    rows = decaying(60, 20, 4)
    plain = streamed(make(name, 12, 20, dtype), rows.to(dtype), 16)
    scaled = streamed(make(name, 12, 20, dtype), (rows * scale).to(dtype), 16)
    # 1e-35 in float32 has entries below the smallest normal number: absolute 1e-45, of 0.8^19 = 0.014
    assert_equal(scaled, plain, scale)


@pytest.mark.parametrize("name", SKETCHES)
def test_rows_of_all_scales_in_one_stream(name: str) -> None:
    rows = decaying(40, 10, 5) * 10.0 ** torch.linspace(-20, 18, 40, dtype=torch.float64)[:, None]
    for order in (rows, rows.flip(0)):
        sketch = streamed(make(name, 10, 10, torch.float32), order.float(), 3)
        exact = streamed(make(name, 10, 10, torch.float64), order, 3)
        assert_equal(sketch, exact, scale=1.0)


@pytest.mark.parametrize("name", SKETCHES)
@pytest.mark.parametrize("scale", [1e-18, 1e18])
def test_shards_of_other_scales_merge(name: str, scale: float) -> None:
    small, large = decaying(60, 20, 5), decaying(60, 20, 6) * scale
    for one, other in ((small, large), (large, small)):
        merged = make(name, 12, 20, torch.float32).update(one.float())
        merged.merge(make(name, 12, 20, torch.float32, first_row=60).update(other.float()))
        assert_equal(merged, make(name, 12, 20, torch.float32).update(one.float()).update(other.float()))


@pytest.mark.parametrize("name", SKETCHES)
@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_float64_rows_beyond_float32_go_into_a_float32_sketch(name: str, scale: float) -> None:
    rows = decaying(30, 8, 6)
    plain = make(name, 8, 8, torch.float64).update(rows)
    single = make(name, 8, 8, torch.float32).update(rows[:20] * scale).update(rows[20:] * scale)
    largest = float(plain.singular_values[0])
    count = len(single.singular_values)
    torch.testing.assert_close(
        single.singular_values / scale, plain.singular_values[:count], rtol=0, atol=1e-3 * largest
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", SKETCHES)
def test_rows_of_half_precision_are_taken_as_they_are(name: str, dtype: torch.dtype) -> None:
    rows = decaying(40, 10, 7).to(dtype)
    half = make(name, 8, 10, torch.float32).update(rows)
    assert_equal(half, make(name, 8, 10, torch.float32).update(rows.float()))


@pytest.mark.parametrize("name", SKETCHES)
def test_nothing_seen_and_only_zeros_seen(name: str) -> None:
    sketch = make(name, 4, 6, torch.float32)
    for rows in (torch.zeros(0, 6), torch.zeros(20, 6)):
        sketch.update(rows)
        assert sketch.singular_values.shape == (0,)
        assert sketch.right_vectors.shape == (0, 6)
        assert sketch.energy == 0
    assert sketch.rows_seen == 20
    sketch.merge(make(name, 4, 6, torch.float32, first_row=1000))
    assert sketch.rows_seen == 20


@pytest.mark.parametrize("name", LINEAR)
def test_zero_rows_between_others_change_nothing(name: str) -> None:
    rows = torch.zeros(60, 10, dtype=torch.float64)
    rows[::2] = decaying(30, 10, 8)
    sketch = streamed(make(name, 8, 10, torch.float64), rows, 7)
    without = make(name, 8, 10, torch.float64)
    if name == "hashing":
        without = HashingSketch(8, 10, stride=2, dtype=torch.float64)
    assert_same_sums(sketch, without.update(rows[::2]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SKETCHES)
def test_the_span_of_low_rank_rows_is_exact(name: str, dtype: torch.dtype) -> None:
    rows = (normal(200, 5, 9) @ normal(5, 3000, 10)).to(dtype)  # more columns than one piece
    sketch = streamed(make(name, 20, 3000, dtype), rows, 32)
    vectors = sketch.right_vectors.double()
    assert len(vectors) >= 5
    identity = torch.eye(len(vectors), dtype=torch.float64)
    torch.testing.assert_close(vectors @ vectors.T, identity, rtol=0, atol=1e-6)
    lost = rows.double() - rows.double() @ vectors.T @ vectors
    assert float(lost.norm() / rows.norm()) <= {torch.float32: 1e-4, torch.float64: 1e-9}[dtype]
    if name != "hashing":
        exact = torch.linalg.svdvals(rows.double())[:5]
        torch.testing.assert_close(sketch.singular_values[:5], exact, rtol=10 * OF_FACTORS[dtype], atol=0)
        assert len(vectors) == 5


@pytest.mark.parametrize("name", ["nystrom", "range-finder", "frequent-directions"])
def test_as_many_directions_as_features_are_exact(name: str) -> None:
    rows = decaying(100, 12, 11, decay=0.5)
    sketch = make(name, 13, 12, torch.float64).update(rows)
    torch.testing.assert_close(sketch.eigenvalues, torch.linalg.svdvals(rows).square(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SKETCHES)
@pytest.mark.parametrize("count", [0, 3, 50])
def test_state_round_trips_bit_for_bit(name: str, dtype: torch.dtype, count: int) -> None:
    rows, later = normal(count, 9, 12) * 1e-20, normal(30, 9, 13) * 1e-20
    sketch = make(name, 4, 9, dtype).update(rows)
    other = make(name, 4, 9, dtype).update(later)  # what it held is gone after loading
    state = sketch.state_dict()
    other.load_state_dict(state)
    for one in (sketch, other):
        one.update(later)
    left, right = sketch.state_dict(), other.state_dict()
    assert set(left) == set(right)
    assert all(torch.equal(left[key], right[key]) for key in left)
    assert torch.equal(sketch.right_vectors, other.right_vectors)
    assert sketch.rows_seen == other.rows_seen == count + 30
    fresh = make(name, 4, 9, dtype).load_state_dict(state)
    assert fresh.rows_seen == count
    assert_equal(fresh, make(name, 4, 9, dtype).update(rows))


@pytest.mark.parametrize("name", SKETCHES)
def test_reading_changes_nothing(name: str) -> None:
    read, unread = (make(name, 4, 12, torch.float64) for _ in range(2))
    for row in decaying(30, 12, 14):
        read.update(row[None])
        unread.update(row[None])
        assert len(read.right_vectors)
    left, right = read.state_dict(), unread.state_dict()
    assert all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("name", SKETCHES)
def test_made_in_inference_mode_and_used_outside(name: str) -> None:
    with torch.inference_mode():
        sketch = make(name, 2, 3, torch.float64).update(torch.eye(3))
    outside = torch.eye(3, requires_grad=True)
    sketch.update(outside)
    assert sketch.rows_seen == 6
    assert not sketch.right_vectors.requires_grad
    with torch.inference_mode():
        sketch.update(torch.eye(3))


@pytest.mark.parametrize("name", SKETCHES)
def test_wrong_rows_are_refused_and_leave_no_trace(name: str) -> None:
    sketch = make(name, 2, 3, torch.float32).update(torch.ones(1, 3))
    before = sketch.state_dict()
    for rows, message in (
        (torch.zeros(2, 4), r"\(batch, 3\), got \(2, 4\)"),
        (torch.full((1, 3), float("nan")), "got nan in row 0"),
        (torch.zeros(2, 3, dtype=torch.long), r"got torch\.int64"),
    ):
        with pytest.raises(InputError, match=message):
            sketch.update(rows)
    assert all(torch.equal(before[key], value) for key, value in sketch.state_dict().items())


@pytest.mark.parametrize("name", SKETCHES)
def test_sketches_and_states_that_do_not_fit_are_refused(name: str) -> None:
    sketch = make(name, 2, 3, torch.float32).update(torch.ones(1, 3))
    before = sketch.state_dict()
    other = make(next(each for each in SKETCHES if each != name), 2, 3, torch.float32)
    wrong_dtype = make(name, 2, 3, torch.float64).state_dict()
    for call, message in (
        (lambda: sketch.merge(other), f"can merge only {type(sketch).__name__}, got {type(other).__name__}"),
        (lambda: sketch.merge(make(name, 2, 4, torch.float32)), r"got \(2, 4\) for \(2, 3\)"),
        (lambda: sketch.load_state_dict(make(name, 3, 3, torch.float32).state_dict()), "got 3 and 3"),
        (lambda: sketch.load_state_dict(other.state_dict()), f"not the state of a {type(sketch).__name__}"),
        (lambda: sketch.load_state_dict(wrong_dtype), r"got torch\.float64"),
    ):
        with pytest.raises(InputError, match=message):
            call()
    assert all(torch.equal(before[key], value) for key, value in sketch.state_dict().items())


@pytest.mark.parametrize("name", LINEAR)
def test_linear_sketches_of_another_seed_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="seed must be between 0 and 2\\^63 - 1, got -1"):
        SKETCHES[name](2, 3, seed=-1)
    one, other = (SKETCHES[name](2, 3, seed=seed).update(torch.ones(2, 3)) for seed in (1, 2))
    before = one.state_dict()
    with pytest.raises(InputError, match="must have the same seed, got 2 for 1"):
        one.merge(other)
    with pytest.raises(InputError, match="of a sketch with seed 1, got 2"):
        one.load_state_dict(other.state_dict())
    assert all(torch.equal(before[key], value) for key, value in one.state_dict().items())
