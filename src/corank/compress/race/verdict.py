"""Which candidates are compared after a trial, and which of them is taken."""

from __future__ import annotations

from collections.abc import Sequence

from corank.compress.race.allowance import Allowance
from corank.compress.race.candidate import Candidate
from corank.compress.race.entry import Entry
from corank.compress.race.ladder import GRANULARITY

CLEARLY = 0.02  # accuracy by which one must be better to be preferred although it leaves more of the budget


def near(entries: Sequence[Entry], allowance: Allowance) -> list[Entry]:
    """Those within a budget that use nearly all of it; with a budget of milliseconds, which are noisy, all within."""
    within = [entry for entry in entries if entry.candidate.fits]
    least = 0.0 if allowance.is_timed else (1 - GRANULARITY) * allowance.limit
    return [entry for entry in within if entry.candidate.reached >= least]


def finalists(entries: Sequence[Entry], allowance: Allowance) -> list[Entry]:
    """Of every method the most accurate candidate near the budget, or the most accurate within it if none is."""
    within = [entry for entry in entries if entry.candidate.fits]
    found = []
    for method in dict.fromkeys(entry.candidate.method for entry in within):
        own = [entry for entry in within if entry.candidate.method == method]
        found.append(max(near(own, allowance) or own, key=_merit))
    return found


def ranking(entries: Sequence[Entry], allowance: Allowance) -> list[Entry]:
    """Candidates within a budget, the one to be taken first.

    That is the most accurate of those near the budget, unless one that leaves more of it is better all the same, and
    clearly.
    """
    close = near(entries, allowance)

    def merit(entry: Entry) -> tuple[float, ...]:
        return entry.candidate.judged + CLEARLY * (entry in close), *_merit(entry)

    return sorted(entries, key=merit, reverse=True)


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
        return f"{told} and is the only candidate: {chosen.judged:.1%} correct {when}, the original {original:.1%}"
    best = max(compared, key=lambda one: one.judged)
    told += f" and was {'the best' if best is chosen else 'taken'} of {len(compared)} compared {when}: "
    told += f"{chosen.judged:.1%} correct, where the original has {original:.1%}"
    if best is not chosen and best.judged > chosen.judged:
        told += f"; {best.name} takes {best.reached / allowance.limit:.1%} of the budget and had {best.judged:.1%}"
    if best is chosen and not allowance.is_timed and chosen.reached < (1 - GRANULARITY) * allowance.limit:
        told += "; what comes nearer to the budget is clearly worse, or there is no such network"
    return told
