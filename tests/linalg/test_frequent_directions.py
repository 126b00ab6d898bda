"""Frequent Directions keeps its bound and certificates for any stream, in any order, over any merging.

Rounding: in float64 every law holds to `1e-12 lambda_1` (Gram matrices lose eps times rows, 2e-16 * 1e3,
and a margin of ten). In float32 a shrink rounds each kept row to eps = 1.2e-7, so a few dozen shrinks stay
within `1e-5 lambda_1`.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import FrequentDirections

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_laws(sketch: FrequentDirections, rows: Tensor) -> None:
    """Everything that the sketch promises about the matrix of all rows it has seen."""
    rows = rows.to(torch.float64)
    exact = torch.zeros(max(rows.shape[1], sketch.size), dtype=torch.float64)
    spectrum = torch.linalg.svdvals(rows).square()
    exact[: len(spectrum)] = spectrum
    slack = TOLERANCE[sketch.dtype] * float(exact[0])
    values, vectors = sketch.singular_values, sketch.right_vectors.to(torch.float64)
    known = len(values)

    assert sketch.rows_seen == len(rows)
    assert sketch.energy == pytest.approx(float(rows.square().sum()), rel=1e-12)
    assert vectors.shape == (known, rows.shape[1])
    assert known <= sketch.size
    assert bool((values[1:] <= values[:-1]).all())
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(known, dtype=torch.float64), rtol=0, atol=1e-6)

    summary = values[:, None] * vectors
    gap = torch.linalg.eigvalsh(rows.T @ rows - summary.T @ summary)
    assert float(gap[0]) >= -slack
    for k in range(sketch.size):
        assert float(gap[-1]) <= float(exact[k:].sum()) / (sketch.size - k) + slack
    lowered = sketch.energy - float(values.square().sum())
    assert sketch.size * sketch.shrinkage <= lowered + sketch.size * slack

    lower = torch.zeros(sketch.size, dtype=torch.float64)
    lower[:known] = sketch.eigenvalues
    assert bool((lower <= exact[: sketch.size] + slack).all())
    assert bool((exact[: sketch.size] <= lower + sketch.shrinkage + slack).all())
    torch.testing.assert_close(sketch.upper_eigenvalues, sketch.eigenvalues + sketch.shrinkage)


@st.composite
def matrices(draw: st.DrawFn) -> Tensor:
    """Matrices with few or many rows, of low rank, with repeated, vanishing and badly scaled rows."""
    count, columns = draw(st.integers(1, 60)), draw(st.integers(1, 12))
    rank = draw(st.integers(1, columns))
    seed = draw(st.integers(0, 1000))
    rows = normal(count, rank, seed) @ normal(rank, columns, seed + 1)
    rows = rows * draw(st.sampled_from([0.3, 0.8, 1.0])) ** torch.arange(columns)
    kind = draw(st.sampled_from(["plain", "repeated", "zeros", "scaled", "growing"]))
    if kind == "repeated":
        rows = rows[:1].expand(count, -1).clone()
    elif kind == "zeros":
        rows[::2] = 0
    elif kind == "scaled":
        rows = rows * draw(st.sampled_from([1e-20, 1e15, 1e-9, 1e9]))
    elif kind == "growing":
        rows = rows * 10.0 ** torch.linspace(-20, 15, count, dtype=torch.float64)[:, None]
    return rows


def streamed(sketch: FrequentDirections, rows: Tensor, batch: int) -> FrequentDirections:
    for piece in rows.split(batch):
        sketch.update(piece)
    return sketch


@settings(max_examples=80, deadline=None)
@given(rows=matrices(), size=st.integers(1, 9), batch=st.sampled_from([1, 3, 8, 64]), single=st.booleans())
def test_bound_and_certificates(rows: Tensor, size: int, batch: int, single: bool) -> None:
    dtype = torch.float32 if single else torch.float64
    rows = rows.to(dtype)
    assert_laws(streamed(FrequentDirections(size, rows.shape[1], dtype=dtype), rows, batch), rows)


@settings(max_examples=40, deadline=None)
@given(rows=matrices(), size=st.integers(1, 9), shards=st.integers(1, 5), seed=st.integers(0, 99))
def test_laws_survive_any_order_and_merging(rows: Tensor, size: int, shards: int, seed: int) -> None:
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    merged = FrequentDirections(size, rows.shape[1], dtype=torch.float64)
    for shard in rows[order].chunk(shards):
        merged.merge(streamed(FrequentDirections(size, rows.shape[1], dtype=torch.float64), shard, 7))
    assert_laws(merged, rows)


def test_merging_adds_shrinkage_and_leaves_the_other_alone() -> None:
    one, two = normal(50, 10, 1), normal(50, 10, 2)
    left = FrequentDirections(3, 10, dtype=torch.float64).update(one)
    right = FrequentDirections(3, 10, dtype=torch.float64).update(two)
    before, of_left = right.state_dict(), left.shrinkage
    left.merge(right)
    assert left.shrinkage >= of_left + right.shrinkage > of_left
    assert all(torch.equal(before[name], value) for name, value in right.state_dict().items())


@pytest.mark.parametrize("count", range(40, 45))  # every fill of the buffer
def test_merging_with_itself_counts_every_row_twice(count: int) -> None:
    rows = normal(count, 10, 3)
    sketch = FrequentDirections(4, 10, dtype=torch.float64).update(rows)
    assert_laws(sketch.merge(sketch), torch.cat([rows, rows]))


def test_merging_with_itself_may_change_the_units() -> None:
    # Doubling the energy, from just below 2^61, passes what the buffer's first units can hold.
    rows = normal(8, 10, 3)
    rows = rows / rows.norm() * 2.0**30.4
    sketch = FrequentDirections(5, 10, dtype=torch.float64).update(rows)
    assert_laws(sketch.merge(sketch), torch.cat([rows, rows]))


def test_few_rows_are_kept_exactly() -> None:
    rows = normal(7, 30, 4)
    sketch = FrequentDirections(8, 30, dtype=torch.float64).update(rows)
    assert sketch.shrinkage == 0
    torch.testing.assert_close(sketch.singular_values, torch.linalg.svdvals(rows), rtol=1e-12, atol=0)
    projected = rows @ sketch.right_vectors.T @ sketch.right_vectors
    torch.testing.assert_close(projected, rows, rtol=0, atol=1e-12)


def test_low_rank_is_recovered_with_almost_no_shrinkage() -> None:
    rows = normal(400, 5, 5) @ normal(5, 3000, 6)  # more columns than one piece of the Gram matrix
    exact = torch.linalg.svdvals(rows)[:5]
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        sketch = FrequentDirections(10, 3000, dtype=dtype).update(rows.to(dtype))
        torch.testing.assert_close(sketch.singular_values, exact, rtol=tolerance, atol=0)
        assert sketch.shrinkage <= tolerance * float(exact[0]) ** 2


def test_long_float32_stream_does_not_drift() -> None:
    basis = torch.linalg.qr(normal(150, 100, 7))[0].T
    rows = (normal(8000, 100, 8) * torch.exp(-torch.arange(100) / 3.0)) @ basis
    single = FrequentDirections(10, 150).update(rows.float())  # 725 shrinks
    double = FrequentDirections(10, 150, dtype=torch.float64).update(rows.float())
    # A random walk of sqrt(725) steps of eps(float32) = 1.2e-7: 3e-6.
    largest = float(double.eigenvalues[0])
    torch.testing.assert_close(single.eigenvalues, double.eigenvalues, rtol=0, atol=1e-5 * largest)
    assert single.shrinkage == pytest.approx(double.shrinkage, abs=1e-5 * largest)


@pytest.mark.parametrize("scale", [1e-35, 1e-20, 1e-12, 1e12, 1e20, 1e34])
def test_scale_of_float32_rows_does_not_matter(scale: float) -> None:
    rows = normal(100, 20, 9) * 0.6 ** torch.arange(20)
    plain = FrequentDirections(5, 20).update(rows.float())
    scaled = FrequentDirections(5, 20).update((rows * scale).float())
    torch.testing.assert_close(scaled.singular_values / scale, plain.singular_values, rtol=1e-5, atol=0)
    assert scaled.shrinkage / scale**2 == pytest.approx(plain.shrinkage, rel=1e-4)


def test_float64_rows_beyond_float32_go_into_a_float32_sketch() -> None:
    rows = normal(30, 6, 10) * 1e100
    sketch = FrequentDirections(16, 6).update(rows)
    torch.testing.assert_close(sketch.singular_values, torch.linalg.svdvals(rows), rtol=1e-5, atol=0)


def test_zero_rows_before_the_smallest_float32_rows() -> None:
    rows = torch.zeros(5, 4)
    rows[4, 0] = 2e-44
    sketch = FrequentDirections(3, 4)
    for row in rows:
        sketch.update(row[None])
    torch.testing.assert_close(sketch.singular_values, rows[4, :1].double(), rtol=1e-6, atol=0)


def test_batches_split_anyhow_give_the_same_sketch() -> None:
    rows = normal(200, 15, 11)
    whole = FrequentDirections(4, 15, dtype=torch.float64).update(rows)
    for batch in (1, 5, 13, 64):
        split = streamed(FrequentDirections(4, 15, dtype=torch.float64), rows, batch)
        torch.testing.assert_close(split.singular_values, whole.singular_values, rtol=1e-10, atol=0)
        assert split.shrinkage == pytest.approx(whole.shrinkage, rel=1e-10)


def test_rows_are_read_whatever_their_layout() -> None:
    rows = normal(60, 8, 12)
    expected = FrequentDirections(3, 8, dtype=torch.float64).update(rows).singular_values
    columns_first = rows.T.contiguous().T
    every_other = torch.stack([rows, -rows], dim=1).flatten(0, 1)[::2]
    needing_gradient = rows.clone().requires_grad_()
    for layout in (columns_first, every_other, needing_gradient):
        sketch = FrequentDirections(3, 8, dtype=torch.float64).update(layout)
        torch.testing.assert_close(sketch.singular_values, expected, rtol=1e-12, atol=0)
        assert not sketch.right_vectors.requires_grad


def test_rows_of_the_caller_are_not_changed() -> None:
    rows = normal(60, 8, 13)
    copy = rows.clone()
    FrequentDirections(3, 8, dtype=torch.float64).update(rows)
    assert torch.equal(rows, copy)


def test_reading_changes_nothing_at_any_fill() -> None:
    rows = normal(60, 12, 14)
    read, unread = (FrequentDirections(4, 12, dtype=torch.float64) for _ in range(2))
    for number, row in enumerate(rows, start=1):
        read.update(row[None])
        unread.update(row[None])
        assert_laws(read, rows[:number])
    left, right = read.state_dict(), unread.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_nothing_seen_and_only_zeros_seen() -> None:
    sketch = FrequentDirections(4, 6)
    for rows in (torch.zeros(0, 6), torch.zeros(20, 6)):
        sketch.update(rows)
        assert sketch.singular_values.shape == (0,)
        assert sketch.right_vectors.shape == (0, 6)
        assert sketch.energy == sketch.shrinkage == 0
    assert sketch.rows_seen == 20
    sketch.merge(FrequentDirections(4, 6))
    assert sketch.rows_seen == 20


@pytest.mark.parametrize("count", [0, 3, 7, 50])
def test_state_round_trips_bit_for_bit(count: int) -> None:
    rows, later = normal(count, 9, 15) * 1e-20, normal(30, 9, 16) * 1e-20
    sketch = FrequentDirections(4, 9).update(rows)
    other = FrequentDirections(4, 9).update(later)  # what it held is gone after loading
    other.load_state_dict(sketch.state_dict())
    for one in (sketch, other):
        one.update(later)
    left, right = sketch.state_dict(), other.state_dict()
    assert set(left) == set(right)
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert torch.equal(sketch.right_vectors, other.right_vectors)
    assert sketch.rows_seen == other.rows_seen == count + 30
    assert sketch.energy == other.energy


def test_state_is_a_copy() -> None:
    sketch = FrequentDirections(4, 9).update(normal(5, 9, 17))
    state = sketch.state_dict()
    held = state["buffer"].clone()
    sketch.update(normal(30, 9, 18))
    assert torch.equal(state["buffer"], held)


def test_sketch_made_in_inference_mode_is_updated_outside() -> None:
    with torch.inference_mode():
        sketch = FrequentDirections(2, 3, dtype=torch.float64).update(torch.eye(3))
    sketch.update(torch.eye(3))
    assert sketch.rows_seen == 6


def test_reading_takes_the_only_memory_beyond_the_buffer() -> None:
    features, size = 100_000, 16
    rows = torch.randn(3 * size, features, generator=torch.Generator().manual_seed(0))
    sketch = FrequentDirections(size, features)
    other = FrequentDirections(size, features).update(rows)
    with torch.profiler.profile(profile_memory=True) as profile:
        sketch.update(rows[:5]).update(rows).merge(other)
        assert sketch.right_vectors.shape == (size, features)
    row = features * rows.element_size()
    large = [event for event in profile.events() if event.self_cpu_memory_usage > 3 * row]
    assert [event.self_cpu_memory_usage for event in large] == [size * row]


def test_wrong_rows_are_refused_and_leave_no_trace() -> None:
    sketch = FrequentDirections(2, 3).update(torch.ones(1, 3))
    before = sketch.state_dict()
    bad = torch.zeros(4, 3)
    bad[2, 1] = float("inf")
    refused = [
        (torch.zeros(2, 4), r"\(batch, 3\), got \(2, 4\)"),
        (torch.zeros(3), r"\(batch, 3\), got \(3,\)"),
        (bad, "got inf in row 2"),
        (torch.full((1, 3), float("nan")), "got nan in row 0"),
        (torch.zeros(2, 3, dtype=torch.long), r"got torch\.int64"),
        (torch.full((1, 3), 1e200, dtype=torch.float64), r"got an entry of 1e\+200"),
    ]
    for rows, message in refused:
        with pytest.raises(InputError, match=message):
            sketch.update(rows)
    assert all(torch.equal(before[name], value) for name, value in sketch.state_dict().items())


def test_wrong_options_merges_and_states_are_refused() -> None:
    with pytest.raises(InputError, match="size must be at least 1, got 0"):
        FrequentDirections(0, 3)
    with pytest.raises(InputError, match="features must be at least 1, got -1"):
        FrequentDirections(3, -1)
    with pytest.raises(InputError, match=r"got torch\.float16"):
        FrequentDirections(3, 3, dtype=torch.float16)
    with pytest.raises(InputError, match=r"got \(2, 4\) for \(2, 3\)"):
        FrequentDirections(2, 3).merge(FrequentDirections(2, 4))
    with pytest.raises(InputError, match="got 2 and 4"):
        FrequentDirections(2, 3).load_state_dict(FrequentDirections(2, 4).state_dict())
    with pytest.raises(InputError, match=r"got the entries \['energy'\]"):
        FrequentDirections(2, 3).load_state_dict({"energy": torch.zeros(())})
    with pytest.raises(InputError, match=r"got torch\.float64"):
        FrequentDirections(2, 3).load_state_dict(FrequentDirections(2, 3, dtype=torch.float64).state_dict())
