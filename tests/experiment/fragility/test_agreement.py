from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from corank.experiment.fragility.agreement import agreements, gain, rank_correlation


def lengths(count: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    found = np.exp(chance.standard_normal(count))
    return found, found * np.exp(noise * chance.standard_normal(count))


def test_the_rank_correlation_is_that_of_scipy_with_ties_too() -> None:
    found, guess = lengths(60, 0.5, 0)
    assert rank_correlation(guess, found) == pytest.approx(spearmanr(guess, found)[0], rel=1e-12)
    tied = guess.round(0)
    assert rank_correlation(tied, found) == pytest.approx(spearmanr(tied, found)[0], rel=1e-12)
    assert rank_correlation(guess[:2], found[:2]) is None
    assert rank_correlation(np.ones(5), found[:5]) is None


def test_guesses_are_judged_by_rank_and_by_scale() -> None:
    found, guess = lengths(200, 0.1, 1)
    guess[3], found[7] = np.inf, np.nan
    both = agreements({"found": {"ours": 2 * guess, "same": found}}, {"found": found})
    ours, same = both
    assert (ours.of, ours.guess, ours.images, same.images) == ("found", "ours", 198, 199)
    assert ours.median_ratio == pytest.approx(2, rel=0.05)
    assert ours.median_error == pytest.approx(1, rel=0.1)
    assert (same.rank_correlation, same.median_ratio, same.median_error) == (pytest.approx(1), 1.0, 0.0)


def test_the_better_guess_is_named_only_where_the_inputs_tell() -> None:
    found, good = lengths(300, 0.1, 2)
    poor = lengths(300, 0.1, 2)[0] * np.exp(np.random.default_rng(9).standard_normal(300))
    better, worse, same = gain(good, poor, found), gain(poor, good, found), gain(good, good, found)
    assert better is not None
    assert worse is not None
    assert same is not None
    assert (better.verdict, worse.verdict, same.verdict) == ("predicted", "first order", "neither")
    assert better.low < better.difference < better.high
    assert better.difference == pytest.approx(spearmanr(good, found)[0] - spearmanr(poor, found)[0])
    assert worse.difference == pytest.approx(-better.difference)
    assert gain(good[:5], poor[:5], found[:5]) is None
