"""Every pass sharpens the range finder as subspace iteration says; passes over other rows are refused."""

import pytest
import torch

from corank.errors import InputError
from corank.linalg import Nystrom, RandomisedRange

CHANCE = torch.Generator().manual_seed(0)
SPECTRUM = 0.7 ** torch.arange(60, dtype=torch.float64)
LEFT = torch.linalg.qr(torch.randn(150, 60, generator=CHANCE, dtype=torch.float64))[0]
RIGHT = torch.linalg.qr(torch.randn(80, 60, generator=CHANCE, dtype=torch.float64))[0].T
ROWS = (LEFT * SPECTRUM) @ RIGHT


def lost(sketch: RandomisedRange, rank: int) -> float:
    """The largest sine between the leading exact directions and what the sketch spans."""
    leading = RIGHT[:rank]
    outside = leading - leading @ sketch.right_vectors.T @ sketch.right_vectors
    return float(torch.linalg.matrix_norm(outside, 2))


def test_the_first_pass_is_nystrom() -> None:
    one = RandomisedRange(10, 80, seed=5, dtype=torch.float64).update(ROWS)
    other = Nystrom(10, 80, seed=5, dtype=torch.float64).update(ROWS)
    assert torch.equal(one.singular_values, other.singular_values)


def test_each_pass_gains_the_factor_of_subspace_iteration() -> None:
    sketch = RandomisedRange(12, 80, dtype=torch.float64).update(ROWS)
    errors = [lost(sketch, 6)]
    for number in range(2, 4):
        sketch.next_pass()
        assert sketch.rows_seen == 0
        for piece in ROWS.flip(0).split(40):  # in any order and batches
            sketch.update(piece)
        assert sketch.passes == number
        errors.append(lost(sketch, 6))
    # one multiplication by A^T A: (sigma_13 / sigma_6)^2 = 0.7^14 = 0.0068, and a margin of ten
    assert errors[1] <= 0.068 * errors[0]
    assert errors[2] <= 0.068 * errors[1]
    torch.testing.assert_close(sketch.singular_values[:6], SPECTRUM[:6], rtol=1e-6, atol=0)


def test_two_passes_in_two_shards() -> None:
    whole = RandomisedRange(12, 80, dtype=torch.float64).update(ROWS)
    parts = [RandomisedRange(12, 80, dtype=torch.float64).update(part) for part in ROWS.chunk(2)]
    merged = parts[0].merge(parts[1])
    state = merged.state_dict()
    for sketch in (whole, merged):
        sketch.next_pass()
    whole.update(ROWS)
    first, second = ROWS.chunk(2)
    elsewhere = RandomisedRange(12, 80, dtype=torch.float64).load_state_dict(state).next_pass().update(second)
    merged.update(first).merge(elsewhere)
    torch.testing.assert_close(merged.singular_values, whole.singular_values, rtol=1e-9, atol=0)


def test_a_state_in_the_second_pass_goes_on() -> None:
    sketch = RandomisedRange(8, 80).update(ROWS.float()).next_pass().update(ROWS[:50].float())
    restored = RandomisedRange(8, 80).load_state_dict(sketch.state_dict())
    assert restored.passes == 2
    for one in (sketch, restored):
        one.update(ROWS[50:].float())
    assert torch.equal(sketch.right_vectors, restored.right_vectors)
    restored.next_pass()


def test_wrong_passes_are_refused() -> None:
    sketch = RandomisedRange(8, 80, dtype=torch.float64)
    with pytest.raises(InputError, match="got no rows"):
        sketch.next_pass()
    sketch.update(ROWS).next_pass()
    assert sketch.singular_values.shape == (0,)
    with pytest.raises(InputError, match="in the same pass, got 1 for 2"):
        sketch.merge(RandomisedRange(8, 80, dtype=torch.float64).update(ROWS))
    other = RandomisedRange(8, 80, dtype=torch.float64).update(ROWS[:60]).next_pass()
    with pytest.raises(InputError, match="share their basis"):
        sketch.merge(other)
    with pytest.raises(InputError, match="the same rows, got 149 of energy"):
        sketch.update(ROWS[:-1]).next_pass()
    scaled = ROWS.clone()
    scaled[0] *= 2
    with pytest.raises(InputError, match="the same rows, got 150 of energy"):
        RandomisedRange(8, 80, dtype=torch.float64).update(ROWS).next_pass().update(scaled).next_pass()
