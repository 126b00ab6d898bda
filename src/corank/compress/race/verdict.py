"""Which candidates are compared after a trial, and which of them is taken."""

from __future__ import annotations

from collections.abc import Sequence

from corank.compress.race.allowance import Allowance
from corank.compress.race.candidate import Candidate
from corank.compress.race.entry import Entry
from corank.compress.race.ladder import GRANULARITY

CLEARLY = 0.02
"""By how much more accurate one must be to be taken although it leaves more of the budget: less is chance on the few
samples that judge."""


def near(entries: Sequence[Entry], limit: float) -> list[Entry]:
    """Of candidates within a budget those that use nearly all of it."""
    return [entry for entry in entries if _is_near(entry.candidate, limit)]


def finalists(entries: Sequence[Entry], limit: float | None) -> list[Entry]:
    """Of every method the most accurate candidate within the budget.

    Args:
        entries: all candidates.
        limit: of the budget, where it should be used: then of every method the most accurate one near it, if any is.
            None where less is as good.
    """
    within = [entry for entry in entries if entry.candidate.fits]
    found = []
    for method in dict.fromkeys(entry.candidate.method for entry in within):
        own = [entry for entry in within if entry.candidate.method == method]
        found.append(max((near(own, limit) if limit else []) or own, key=_merit))
    return found


def ranking(entries: Sequence[Entry], limit: float | None) -> list[Entry]:
    """Candidates within a budget by accuracy, the one to be taken first; of several the cheapest.

    Args:
        entries: the candidates.
        limit: of the budget, where it should be used: then those near it come first, unless another one is better all
            the same, and clearly. None where less is as good.
    """
    close = near(entries, limit) if limit else []

    def merit(entry: Entry) -> tuple[float, ...]:
        return entry.candidate.judged + CLEARLY * (entry in close), *_merit(entry)

    return sorted(entries, key=merit, reverse=True)


def _is_near(candidate: Candidate, limit: float) -> bool:
    return candidate.reached >= (1 - GRANULARITY) * limit


def _merit(entry: Entry) -> tuple[float, int]:
    return entry.candidate.judged, -entry.candidate.cost.multiply_adds


def reason(chosen: Candidate, compared: Sequence[Candidate], allowance: Allowance, original: float, steps: int) -> str:
    """Why a candidate was taken, in words.

    Args:
        chosen: that one.
        compared: all that were compared with it, it included.
        allowance: the budget.
        original: the accuracy of the original network on the same samples.
        steps: of training before the comparison.
    """
    when = f"after {steps} training steps" if steps else "before any training"
    told = f"{chosen.name} takes {chosen.reached / allowance.limit:.1%} of the budget {allowance.target}"
    if len(compared) == 1:
        return f"{told} and is the only candidate: {chosen.judged:.1%} correct, where the original has {original:.1%}"
    best = max(compared, key=lambda one: one.judged)
    is_best = chosen.judged == best.judged
    told += f" and was {'the best' if is_best else 'taken'} of {len(compared)} compared {when}: "
    told += f"{chosen.judged:.1%} correct, where the original has {original:.1%}"
    if not is_best:
        return f"{told}; {best.name} takes {best.reached / allowance.limit:.1%} of the budget and had {best.judged:.1%}"
    if allowance.is_timed or _is_near(chosen, allowance.limit):
        return told
    nearer = [one.judged for one in compared if one.reached > chosen.reached]
    return f"{told}; what comes nearer to the budget had {max(nearer):.1%} at most" if nearer else told
