"""When a number is flagged: beyond its threshold, and not by chance."""

from __future__ import annotations

import pytest

from corank.attack.audit.finding import Finding, difference, gain


def test_a_gain_is_flagged_from_six_images_on_whatever_their_share() -> None:
    flagged = [
        gain("g", broken=count, tested=20, stands_for=20, of=20, threshold=0.0).is_flagged for count in range(10)
    ]
    assert flagged.index(True) == 6
    assert all(flagged[6:])


def test_a_gain_of_many_images_is_not_flagged_below_its_threshold() -> None:
    assert not gain("g", broken=50, tested=10_000, stands_for=10_000, of=10_000, threshold=0.005).is_flagged
    assert gain("g", broken=51, tested=10_000, stands_for=10_000, of=10_000, threshold=0.005).is_flagged


def test_a_gain_on_a_subsample_stands_for_all_that_was_left() -> None:
    assert gain("g", broken=10, tested=50, stands_for=500, of=1000, threshold=0.0).value == pytest.approx(0.1)
    assert gain("g", broken=0, tested=0, stands_for=0, of=1000, threshold=0.0).value == 0


def test_a_difference_that_goes_both_ways_is_chance() -> None:
    assert not difference("d", only_first=20, only_second=30, of=100, threshold=0.05).is_flagged
    assert difference("d", only_first=2, only_second=12, of=100, threshold=0.05).is_flagged
    assert not difference("d", only_first=12, only_second=2, of=100, threshold=0.05).is_flagged


def test_values_below_may_be_the_wrong_ones() -> None:
    assert Finding(measure="m", value=1.9, threshold=2.0, below=True).is_flagged
    assert not Finding(measure="m", value=2.0, threshold=2.0, below=True).is_flagged
    assert not Finding(measure="m", value=2.0, threshold=2.0).is_flagged


@pytest.mark.parametrize("below", [False, True])
def test_nearness_is_one_at_the_threshold_and_grows_towards_the_wrong_side(below: bool) -> None:
    values = (1.0, 2.0, 3.0)
    nearness = [Finding(measure="m", value=value, threshold=2.0, below=below).nearness for value in values]
    assert nearness[1] == 1
    assert nearness == sorted(nearness, reverse=below)
