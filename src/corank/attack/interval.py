"""How sure a share of samples is, and whether two networks differ on the same samples.

Intervals are Wilson's (1927), which keep their level near 0 and 1 too; the paired test is McNemar's (1947), exact.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from corank.errors import InputError


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share: all true shares from which this one is not further than chance would have it.

    Args:
        successes: of the trials.
        trials: independent of one another.
        confidence: how often such intervals hold the true share.

    Raises:
        InputError: no trial, more successes than trials, a confidence that is not between 0 and 1.

    Example:
        >>> low, high = wilson(500, 1000)
        >>> round(low, 4), round(high, 4)
        (0.4691, 0.5309)
    """
    if not (trials >= 1 and 0 <= successes <= trials):
        raise InputError(f"expected at least one trial and from none to all successes, got {successes} of {trials}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2) / (1 + z**2 / trials)
    return 0.0 if successes == 0 else middle - reach, 1.0 if successes == trials else middle + reach


def mcnemar(only_first: int, only_second: int) -> float:
    """The probability, were two networks equally good, of samples that only one has right to be shared so unevenly.

    Args:
        only_first: samples that only the first network has right.
        only_second: samples that only the second has right.

    Raises:
        InputError: a negative number.

    Example:
        >>> mcnemar(1, 9)
        0.021484375
    """
    from scipy.stats import binomtest  # imported here: it takes a second to import

    if min(only_first, only_second) < 0:
        raise InputError(f"expected numbers of samples, got {only_first} and {only_second}")
    both = only_first + only_second
    return float(binomtest(only_first, both, 0.5).pvalue) if both else 1.0
