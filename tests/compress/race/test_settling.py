"""A latency budget is met beside the next larger network, by whatever clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.compress.budget import Target
from corank.compress.race import allowance as clock
from corank.compress.race import settling
from corank.compress.race.allowance import Allowance
from corank.compress.race.ladder import Choice, Made, chosen
from corank.network import Cost

from .test_ladder import Pairs

WHOLE = Cost(parameters=1000, storage_bytes=4000, multiply_adds=1000)


class Sized(nn.Module):
    def __init__(self, amount: int) -> None:
        super().__init__()
        self.amount = amount


class Timed(Pairs):
    """Sizes whose networks are known by what they cost."""

    def timed(self, size: tuple[int, int]) -> nn.Module:
        return Sized(self.cost(size).multiply_adds)

    def made(self, size: tuple[int, int]) -> Made:
        return Made(accuracy=0.5, agreement=0.5, build=lambda: pytest.fail("nothing is built"))


def ladder() -> Timed:
    return Timed([(width, 0) for width in range(1, 31)], prices=(10, 0))


def budget(ms: float) -> Allowance:
    target = Target.parsed(f"latency-ms={ms:g}")
    return Allowance(target=target, original=WHOLE, original_ms=100.0, example=torch.zeros(1))


def use(monkeypatch: pytest.MonkeyPatch, noise: Iterator[float]) -> None:
    """A clock that says a tenth of the multiply-adds, each measurement as a whole off by a factor."""

    def medians_ms(networks: Mapping[str, Any], example: Tensor, seconds: float = 0.0) -> dict[str, float]:
        off = next(noise)
        return {name: off * network.amount / 10 for name, network in networks.items()}

    monkeypatch.setattr(clock, "medians_ms", medians_ms)
    monkeypatch.setattr(settling, "medians_ms", medians_ms)


def entry(size: tuple[int, int], allowed: Allowance) -> Any:
    return Choice(ladder=ladder(), size=size, reached=1.0).entered(allowed)


@pytest.mark.parametrize("first", [1, 12, 14, 15, 16, 30])
def test_it_ends_where_the_budget_lies_between_neighbours(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, itertools.repeat(1.0))
    allowed = budget(15.5)
    found = settling.settled(entry((first, 0), allowed), allowed)
    assert found is not None
    assert found.entry.choice.size == (15, 0)
    assert found.entry.candidate.reached == found.entry.candidate.latency_ms == 15.0
    assert found.entry.candidate.fits
    assert "15 ms" in found.told
    assert "16 ms" in found.told


def test_a_single_disturbance_costs_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, itertools.cycle([1.25, 1.0]))
    found = chosen(ladder(), budget(15.5))
    assert found is not None
    assert found.size == (15, 0)


@pytest.mark.parametrize("seed", range(20))
def test_noise_never_leads_in_circles_and_never_above_the_budget(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.Generator().manual_seed(seed)
    use(monkeypatch, (float(off) for off in 1 + 0.2 * (torch.rand(10_000, generator=chance) - 0.5)))
    allowed = budget(15.5)
    choice = chosen(ladder(), allowed)
    assert choice is not None
    found = settling.settled(choice.entered(allowed), allowed)
    assert found is not None
    assert found.entry.candidate.latency_ms is not None
    assert found.entry.candidate.latency_ms <= 15.5
    assert 11 <= found.entry.choice.size[0] <= 17


def test_what_was_too_slow_once_is_never_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[set[str]] = []

    def medians_ms(networks: Mapping[str, Any], example: Tensor, seconds: float = 0.0) -> dict[str, float]:
        measured.append(set(networks))
        first = min(networks, key=int)  # the smaller of two is always found slower than it is, the larger faster
        return {name: (1.2 if name == first else 0.8) * one.amount / 10 for name, one in networks.items()}

    monkeypatch.setattr(settling, "medians_ms", medians_ms)
    found = settling.settled(entry((12, 0), budget(15.5)), budget(15.5))
    assert found is not None
    assert found.entry.candidate.latency_ms == pytest.approx(12 * 1.2)
    assert len(measured) == 2  # that of 12, where 13 seems to fit, and that of 13, which does not
    assert f"{13 * 1.2:.3g} ms" in found.told


def test_the_largest_of_all_has_nothing_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, itertools.repeat(1.0))
    found = settling.settled(entry((20, 0), budget(90)), budget(90))
    assert found is not None
    assert found.entry.choice.size == (30, 0)
    assert "no larger network" in found.told


def test_what_is_beyond_a_ladder_is_timed_beside_its_last_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, itertools.repeat(1.0))
    long = ladder()
    long.beyond = [(33, 0)]
    for ms, told in ((32.5, "the next larger network of its kind 33 ms"), (90, "one sample takes 30 ms")):
        first = Choice(ladder=long, size=(20, 0), reached=1.0).entered(budget(ms))
        found = settling.settled(first, budget(ms))
        assert found is not None
        assert found.entry.choice.size == (30, 0)
        assert found.told.endswith(told)


def test_where_even_the_smallest_is_too_slow_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, itertools.repeat(1.0))
    assert settling.settled(entry((3, 0), budget(0.5)), budget(0.5)) is None


def test_a_candidate_that_stays_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, itertools.repeat(1.0))
    allowed = budget(15.5)
    before = entry((15, 0), allowed)
    monkeypatch.setattr(Timed, "made", lambda *_: pytest.fail("it is known already"))
    found = settling.settled(before, allowed)
    assert found is not None
    assert found.entry.candidate.accuracy == before.candidate.accuracy
