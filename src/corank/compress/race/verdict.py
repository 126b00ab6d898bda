"""Which candidates are compared after a trial, and which of them is taken."""

from __future__ import annotations

from collections.abc import Sequence

from corank.compress.race.allowance import Allowance
from corank.compress.race.candidate import Candidate
from corank.compress.race.entry import Entry

GRANULARITY = 0.02  # a budget is used where no more than this share of it is left


def near(entries: Sequence[Entry], limit: float) -> list[Entry]:
    """Those within a budget that use nearly all of it; all within it where none does."""
    within = [entry for entry in entries if entry.candidate.fits]
    return [entry for entry in within if entry.candidate.reached >= (1 - GRANULARITY) * limit] or within


def finalists(entries: Sequence[Entry], limit: float) -> list[Entry]:
    """Of every method the most accurate candidate near the budget, and the most accurate within it."""
    found: list[Entry] = []
    for group in (near(entries, limit), [entry for entry in entries if entry.candidate.fits]):
        for method in dict.fromkeys(entry.candidate.method for entry in group):
            best = max((one for one in group if one.candidate.method == method), key=lambda one: one.candidate.accuracy)
            found += [best] if best not in found else []
    return found


def best_of(entries: Sequence[Entry]) -> Entry:
    """The most accurate; of several the cheapest."""
    return max(entries, key=lambda entry: (entry.candidate.judged, -entry.candidate.cost.multiply_adds))


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
    told = (
        f"{chosen.name} takes {chosen.reached / allowance.limit:.1%} of the budget {allowance.target} and was the best "
        f"of {len(compared)} compared {when}: {chosen.judged:.1%} correct, where the original has {original:.1%}"
    )
    better = [one for one in compared if one.reached < chosen.reached and one.judged > chosen.judged]
    if better:
        best = max(better, key=lambda one: one.judged)
        told += f"; {best.name} takes only {best.reached / allowance.limit:.1%} of the budget and had {best.judged:.1%}"
    return told
