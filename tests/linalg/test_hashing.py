"""The hashing sketch is unbiased, keeps its bound, and its hash is fair and the same everywhere."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corank.errors import InputError
from corank.linalg import HashingSketch
from corank.linalg.hashing import Numbering, hash_rows

ROWS = torch.randn(300, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ROWS = ROWS * 0.8 ** torch.arange(12)


def gram_of(sketch: HashingSketch) -> torch.Tensor:
    vectors = sketch.right_vectors
    return vectors.T @ (sketch.eigenvalues[:, None] * vectors)


def test_it_is_unbiased_and_within_its_bound() -> None:
    exact, size, draws = ROWS.T @ ROWS, 40, 200
    grams = [gram_of(HashingSketch(size, 12, seed=seed, dtype=torch.float64).update(ROWS)) for seed in range(draws)]
    energy = float(ROWS.square().sum())
    gaps = torch.stack([torch.linalg.matrix_norm(gram - exact) for gram in grams])
    # the mean square is at most 2/s energy^2 and, with rows of this kind, not much less than half of it
    assert 0.5 / size <= float(gaps.square().mean()) / energy**2 <= 2 / size
    bias = torch.linalg.matrix_norm(torch.stack(grams).mean(0) - exact)
    assert float(bias) <= 2 * (2 / size / draws) ** 0.5 * energy
    assert float((gaps <= (2 / (size * 0.1)) ** 0.5 * energy).double().mean()) >= 0.9


def test_every_row_goes_to_one_bucket_with_its_sign() -> None:
    sketch = HashingSketch(7, 300, dtype=torch.float64).update(torch.eye(300, dtype=torch.float64))
    buckets, signs = hash_rows(torch.arange(300), seed=0, buckets=7)
    expected = torch.zeros(7, 300, dtype=torch.float64)
    expected[buckets, torch.arange(300)] = signs.double()
    assert torch.equal(sketch.state_dict()["buckets"], expected)


@pytest.mark.parametrize("buckets", [1, 2, 7, 1000])
def test_buckets_and_signs_are_fair_and_independent(buckets: int) -> None:
    count = 100_000
    for numbers in (torch.arange(count), torch.arange(count) * 4096 + 2**40):
        places, signs = hash_rows(numbers, seed=11, buckets=buckets)
        assert 0 <= int(places.min()) <= int(places.max()) < buckets
        cells = torch.bincount(2 * places + (signs + 1) // 2, minlength=2 * buckets).double()
        expected = count / (2 * buckets)
        degrees = 2 * buckets - 1
        chi_squared = float(((cells - expected) ** 2 / expected).sum())
        assert abs(chi_squared - degrees) <= 5 * (2 * degrees) ** 0.5  # five standard deviations
        assert abs(float((signs[1:] * signs[:-1]).double().sum())) <= 5 * count**0.5  # neighbours


def test_the_hash_is_the_published_one() -> None:
    # first outputs of the generator with state 0, from its definition in integers of any length
    def reference(state: int) -> int:
        whole = (1 << 64) - 1
        mixed = (state + 0x9E3779B97F4A7C15) & whole
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & whole
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & whole
        return mixed ^ (mixed >> 31)

    assert reference(0) == 0xE220A8397B1DCDAF
    numbers = [0, 1, 2, 12345, 2**62 + 5]
    places, signs = hash_rows(torch.tensor(numbers), seed=9, buckets=1000)
    mixed = [reference(number ^ reference(9)) for number in numbers]
    assert places.tolist() == [((value >> 33) * 1000) >> 31 for value in mixed]
    assert signs.tolist() == [1 if value & 1 else -1 for value in mixed]


def test_interleaved_shards_are_one_sketch() -> None:
    whole = HashingSketch(20, 12, dtype=torch.float64).update(ROWS)
    parts = [
        HashingSketch(20, 12, first_row=rank, stride=3, dtype=torch.float64).update(ROWS[rank::3]) for rank in range(3)
    ]
    merged = parts[0].merge(parts[1]).merge(parts[2])
    torch.testing.assert_close(merged.singular_values, whole.singular_values, rtol=1e-12, atol=0)


def test_a_merged_sketch_goes_on_with_its_own_numbers() -> None:
    whole = HashingSketch(20, 12, dtype=torch.float64).update(ROWS)
    tail = HashingSketch(20, 12, first_row=200, dtype=torch.float64).update(ROWS[200:])
    going_on = HashingSketch(20, 12, dtype=torch.float64).update(ROWS[:100]).merge(tail).update(ROWS[100:200])
    torch.testing.assert_close(going_on.singular_values, whole.singular_values, rtol=1e-12, atol=0)


def test_shards_that_share_row_numbers_are_refused() -> None:
    one = HashingSketch(20, 12).update(ROWS.float())
    before = one.state_dict()
    with pytest.raises(InputError, match="give each its own first_row"):
        one.merge(HashingSketch(20, 12).update(ROWS.float()))
    with pytest.raises(InputError, match="give each its own first_row"):
        one.merge(one)
    assert all(torch.equal(before[key], value) for key, value in one.state_dict().items())


numberings = st.builds(Numbering, st.integers(0, 30), st.integers(1, 9), st.integers(0, 8))


@given(one=numberings, other=numberings)
def test_numberings_meet_where_their_numbers_do(one: Numbering, other: Numbering) -> None:
    listed = [{numbers.first + numbers.stride * place for place in range(numbers.rows)} for numbers in (one, other)]
    assert one.meets(other) == bool(listed[0] & listed[1])


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="stride must be at least 1, got 0"):
        HashingSketch(2, 3, stride=0)
    with pytest.raises(InputError, match="seed must be between 0 and 2\\^63 - 1, got -1"):
        HashingSketch(2, 3, seed=-1)
    with pytest.raises(InputError, match="first_row must be between 0 and 2\\^63 - 1, got -5"):
        HashingSketch(2, 3, first_row=-5)
