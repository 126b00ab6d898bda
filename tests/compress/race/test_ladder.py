"""The size that is taken of a ladder: the widest within the budget, filled up where rungs are far apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from corank.compress.budget import Target
from corank.compress.race.allowance import Allowance, largest
from corank.compress.race.ladder import GRANULARITY, Ladder, Made, chosen, smallest
from corank.network import Cost

WHOLE = Cost(parameters=1000, storage_bytes=4000, multiply_adds=1000)


class Pairs(Ladder[tuple[int, int]]):
    """Two layers of which every width costs its own number of multiply-adds."""

    method = "pairs"
    layer = None

    def __init__(self, rungs: list[tuple[int, int]], prices: tuple[int, int] = (30, 7), step: int = 1) -> None:
        self.rungs = rungs
        self.prices = prices
        self.step = step

    def cost(self, size: tuple[int, int]) -> Cost:
        amount = size[0] * self.prices[0] + size[1] * self.prices[1]
        return Cost(parameters=amount, storage_bytes=4 * amount, multiply_adds=amount)

    def sizes(self, size: tuple[int, int]) -> tuple[int, ...]:
        return size

    def timed(self, size: tuple[int, int]) -> nn.Module:
        raise AssertionError("nothing is built to be counted")

    def made(self, size: tuple[int, int]) -> Made:
        raise AssertionError("sizes are chosen before anything is made")

    def wider(self, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
        yield size[0] + self.step, size[1]
        yield size[0], size[1] + self.step


def within(text: str) -> Allowance:
    return Allowance(target=Target.parsed(text), original=WHOLE, original_ms=None, example=torch.zeros(1))


@given(st.lists(st.integers(0, 50)).map(sorted), st.integers(-1, 51))
def test_the_largest_that_fits_is_found(items: list[int], limit: int) -> None:
    found = largest(items, lambda item: item <= limit)
    expected = [place for place, item in enumerate(items) if item <= limit]
    assert found == (expected[-1] if expected else None)


@given(st.integers(40, 900))
def test_a_budget_is_filled_within_its_granularity_or_as_far_as_a_single_step_goes(limit: int) -> None:
    ladder = Pairs([(1, 1), (4, 4), (8, 8), (16, 16)])
    found = chosen(ladder, within(f"macs={limit}"))
    assert found is not None
    assert found.reached == ladder.cost(found.size).multiply_adds <= limit
    assert found.reached >= (1 - GRANULARITY) * limit or found.reached + min(ladder.prices) > limit


def test_without_finer_steps_it_is_the_widest_rung_at_or_below() -> None:
    ladder = Pairs([(1, 1), (4, 4), (8, 8), (16, 16)], step=10_000)
    for limit, rung in ((37, (1, 1)), (147, (1, 1)), (148, (4, 4)), (295, (4, 4)), (296, (8, 8)), (900, (16, 16))):
        found = chosen(ladder, within(f"macs={limit}"))
        assert found is not None
        assert found.size == rung


def test_what_nothing_of_it_fits_into_is_told_by_the_smallest() -> None:
    ladder = Pairs([(1, 1), (4, 4)])
    assert chosen(ladder, within("macs=36")) is None
    assert smallest(ladder, within("macs=36")).reached == 37


@pytest.mark.parametrize(("text", "reached"), [("params=2x", 500), ("storage-mb=0.0019", 0.0019)])
def test_parameters_and_storage_are_counted_alike(text: str, reached: float) -> None:
    found = chosen(Pairs([(1, 1), (9, 9)], prices=(1, 1)), within(text))
    assert found is not None
    assert (1 - GRANULARITY) * reached <= found.reached <= reached
