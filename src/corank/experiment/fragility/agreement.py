"""How well lengths that were foretold agree with those that attacks found: Spearman's rank correlation, and the scale.

Whether one guess is better than another is read from the same inputs: the difference of their rank correlations, over
bootstrap draws of the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corank.result import Result, Scalar

DRAWS = 500
CONFIDENCE = 0.95
Lengths = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Agreement(Result):
    """A guess beside what was found.

    Attributes:
        of: what was foretold: "found", the smallest perturbation into any class, or "Q", into that of the path's end.
        guess: its name.
        rank_correlation: Spearman's; None for fewer than three inputs, or where all are equal.
        median_ratio: of the guess to what was found.
        median_error: half of the guesses are off by at most this share of what was found, or by its inverse.
        images: over which that is.
    """

    of: str
    guess: str
    rank_correlation: float | None
    median_ratio: float | None
    median_error: float | None
    images: int

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {
            "of": self.of, "guess": self.guess, "rank correlation": self.rank_correlation,
            "median ratio": self.median_ratio, "median error": self.median_error, "images": self.images,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Gain(Result):
    """By how much the rank correlation of the forecast exceeds that of the plain first-order guess.

    Attributes:
        difference: of the two.
        low: of its bootstrap interval at 95 %.
        high: of it.
    """

    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Which guess ranks inputs better: "predicted", "first order", or "neither" where the interval holds 0."""
        return "predicted" if self.low > 0 else "first order" if self.high < 0 else "neither"

    def row(self) -> dict[str, Scalar]:
        """All of it."""
        return {"difference": self.difference, "low": self.low, "high": self.high, "better": self.verdict}


def rank_correlation(one: Lengths, other: Lengths) -> float | None:
    """Spearman's, ties by their mean rank; None for fewer than three inputs, or where all are equal.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 4.0]))
        0.5
    """
    found = _correlations(one[None], other[None])[0] if len(one) >= 3 else np.nan
    return float(found) if np.isfinite(found) else None


def agreements(guesses: Mapping[str, Mapping[str, Lengths]], found: Mapping[str, Lengths]) -> tuple[Agreement, ...]:
    """Every guess beside what it is a guess of; inputs for which one of both is not finite are left out.

    Args:
        guesses: by what they foretell, then by name.
        found: what was found, by name.
    """
    return tuple(
        _agreement(of, name, guess, found[of]) for of, named in guesses.items() for name, guess in named.items()
    )


def gain(predicted: Lengths, plain: Lengths, found: Lengths, *, seed: int = 0) -> Gain | None:
    """The forecast against the plain guess; None for too few inputs to tell."""
    rows = np.isfinite(predicted) & np.isfinite(plain) & np.isfinite(found)
    lengths = np.stack([predicted[rows], plain[rows], found[rows]])
    if lengths.shape[1] < 10:
        return None
    drawn = np.random.default_rng(seed).integers(0, lengths.shape[1], (DRAWS, lengths.shape[1]))
    ours, theirs = (_correlations(lengths[place][drawn], lengths[2][drawn]) for place in (0, 1))
    ends = np.quantile(ours - theirs, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    both = _correlations(lengths[:2], lengths[[2, 2]])
    if not np.isfinite([*ends, *both]).all():
        return None
    return Gain(difference=float(both[0] - both[1]), low=float(ends[0]), high=float(ends[1]))


def _agreement(of: str, name: str, guess: Lengths, found: Lengths) -> Agreement:
    rows = np.isfinite(guess) & np.isfinite(found)
    guess, found = guess[rows], found[rows]
    positive = (guess > 0) & (found > 0)
    logs = np.log(guess[positive] / found[positive])
    return Agreement(
        of=of,
        guess=name,
        rank_correlation=rank_correlation(guess, found),
        median_ratio=float(np.exp(np.median(logs))) if len(logs) else None,
        median_error=float(np.expm1(np.median(np.abs(logs)))) if len(logs) else None,
        images=len(guess),
    )


def _correlations(ones: Lengths, others: Lengths) -> Lengths:
    """Spearman's of each row."""
    from scipy.stats import rankdata  # imported here: it takes a second to import

    first, second = (rankdata(rows, axis=1) for rows in (ones, others))
    first, second = first - first.mean(1, keepdims=True), second - second.mean(1, keepdims=True)
    norms = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    with np.errstate(invalid="ignore"):
        found: Lengths = (first * second).sum(1) / norms
    return found
