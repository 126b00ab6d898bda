from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from corank.attack.interval import mcnemar, wilson
from corank.errors import InputError


@given(st.integers(1, 5000), st.data(), st.floats(0.5, 0.999))
def test_wilson_agrees_with_scipy(trials: int, data: st.DataObject, confidence: float) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert wilson(successes, trials, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(st.integers(1, 200), st.data())
def test_an_interval_holds_its_share_and_stays_between_zero_and_one(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_sums_all_outcomes_that_are_as_uneven(only_first: int, only_second: int) -> None:
    both = only_first + only_second
    outcomes = [n for n in range(both + 1) if comb(both, n) <= comb(both, only_first)]
    assert mcnemar(only_first, only_second) == pytest.approx(sum(comb(both, n) for n in outcomes) / 2**both)


@pytest.mark.parametrize(
    ("successes", "trials", "confidence", "said"),
    [(0, 0, 0.95, "0 of 0"), (3, 2, 0.95, "3 of 2"), (-1, 2, 0.95, "-1 of 2"), (1, 2, 1.0, "1.0"), (1, 2, 0.0, "0.0")],
)
def test_shares_and_levels_that_are_none_are_refused(successes: int, trials: int, confidence: float, said: str) -> None:
    with pytest.raises(InputError, match=f"got {said}"):
        wilson(successes, trials, confidence)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(InputError, match="got 3 and -2"):
        mcnemar(3, -2)
