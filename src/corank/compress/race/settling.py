"""A latency budget is met by a clock: a candidate and the next larger one take turns, until the budget lies between.

Medians differ from one measurement to the next by more than neighbours differ in speed, but those of networks that take
turns do not. So the search by single measurements is only where this one begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from corank.compress.race.allowance import Allowance, medians_ms
from corank.compress.race.entry import Entry
from corank.compress.race.ladder import Choice

SECONDS = 1.0
MOST_MEASUREMENTS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Settled:
    """A candidate that keeps a budget of milliseconds.

    Attributes:
        entry: the candidate.
        told: its latency and that of the next larger one, in words.
    """

    entry: Entry
    told: str


def settled(entry: Entry, allowance: Allowance) -> Settled | None:
    """The largest network of a candidate's kind that is fast enough; None where none was found to be.

    Args:
        entry: where the search begins.
        allowance: the budget.
    """
    ladder, rungs = entry.choice.ladder, entry.choice.ladder.rungs
    sizes = [*rungs, *ladder.beyond]
    place = rungs.index(entry.choice.size)
    too_slow, slow_ms = len(rungs), 0.0
    kept: tuple[int, float] | None = None
    for _ in range(MOST_MEASUREMENTS):
        pair = {at: ladder.timed(sizes[at]) for at in (place, place + 1) if at < len(sizes)}
        times = medians_ms({str(at): network for at, network in pair.items()}, allowance.example, SECONDS)
        own, following = times[str(place)], times.get(str(place + 1))
        if own > allowance.limit:
            too_slow, slow_ms = place, own  # never up to there again: noise would lead in circles
        else:
            kept = place, own
            if following is not None and following > allowance.limit:
                too_slow, slow_ms = place + 1, following
        if too_slow == 0 or (kept is not None and kept[0] + 1 >= too_slow):
            break
        place = _expected(entry, (place, own), allowance, range(0 if kept is None else kept[0] + 1, too_slow))
    if kept is None:
        return None
    told = f"timed in turns, one sample takes {kept[1]:.3g} ms"
    if too_slow == kept[0] + 1 and slow_ms:
        told += f" and the next larger network of its kind {slow_ms:.3g} ms"
    elif kept[0] + 1 == len(sizes):
        told += ", and there is no larger network of its kind"
    return Settled(entry=_moved(entry, *kept, allowance), told=told)


def _expected(entry: Entry, measured: tuple[int, float], allowance: Allowance, among: range) -> int:
    """The largest of some sizes that should be fast enough, if time goes with multiply-adds, from one measurement."""
    ladder, rungs = entry.choice.ladder, entry.choice.ladder.rungs
    place, own_ms = measured
    most = ladder.cost(rungs[place]).multiply_adds * allowance.limit / own_ms
    return max((at for at in among if ladder.cost(rungs[at]).multiply_adds <= most), default=among[0])


def _moved(entry: Entry, place: int, own_ms: float, allowance: Allowance) -> Entry:
    ladder = entry.choice.ladder
    if ladder.rungs[place] == entry.choice.size:
        candidate = replace(entry.candidate, reached=own_ms, latency_ms=own_ms, fits=True)
        return replace(entry, candidate=candidate, make=lambda: entry.built)
    return Choice(ladder=ladder, size=ladder.rungs[place], reached=own_ms).entered(allowance)
