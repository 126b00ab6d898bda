from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corank.measure.heldout import AT_MOST, EVERY, HeldOut


def split(sizes: list[int]) -> tuple[HeldOut, list[int]]:
    """Numbered samples in batches of these sizes: what was put aside and what was not."""
    held, kept, place = HeldOut(), [], 0
    for size in sizes:
        numbers = torch.arange(place, place + size)
        x, y = held.take(numbers[:, None].float(), numbers)
        assert torch.equal(x[:, 0].long(), y)
        kept += y.tolist()
        place += size
    return held, kept


def aside(held: HeldOut) -> list[int]:
    return [number for _, _, y in held.batches for number in y.tolist()]


@given(st.lists(st.integers(0, 700), max_size=12))
def test_it_is_every_fifth_of_the_stream_whatever_the_batches(sizes: list[int]) -> None:
    held, kept = split(sizes)
    everything = range(sum(sizes))
    expected = [number for number in everything if number % EVERY == EVERY - 1][:AT_MOST]
    assert aside(held) == expected
    assert held.count == len(expected)
    assert kept == sorted(set(everything) - set(expected))


def test_it_takes_no_more_than_it_may_from_a_large_batch() -> None:
    held, kept = split([EVERY * AT_MOST + 500])
    assert held.count == AT_MOST
    assert kept[-500:] == list(range(EVERY * AT_MOST, EVERY * AT_MOST + 500))


def test_batches_of_one_are_shared_out_too() -> None:
    held, kept = split([1] * 11)
    assert aside(held) == [4, 9]
    assert [number for number, _, _ in held.batches] == [4, 9]
    assert len(kept) == 9


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_it_knows_which_batch_a_sample_came_from(sizes: list[int]) -> None:
    held, _ = split(sizes)
    origin = [number for number, size in enumerate(sizes) for _ in range(size)]
    for number, _, y in held.batches:
        assert [origin[place] for place in y.tolist()] == [number] * len(y)


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_merging_keeps_every_sample_in_its_order(size: int) -> None:
    held = HeldOut()
    for part in torch.arange(64).split(7):
        held.take(part, part)
    merged = list(held.merged(size))
    assert torch.equal(torch.cat([x for _, x, _ in merged]), torch.cat([x for _, x, _ in held.batches]))
    assert all(len(labels) >= size for _, _, labels in merged[:-1])
    assert merged[0][0].startswith(f"batch{'es' if size > 2 else ''} {held.batches[0][0]}")
