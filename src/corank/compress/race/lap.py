"""One race for one budget: the candidates, a short training of the best of every method, and the order that follows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from corank.compress.race.allowance import Allowance
from corank.compress.race.candidate import Candidate
from corank.compress.race.entry import Entry
from corank.compress.race.field import field
from corank.compress.race.runner import Runner, Trained
from corank.compress.race.settling import settled
from corank.compress.race.verdict import finalists, ranking, reason
from corank.errors import InputError
from corank.measure import OnDevice
from corank.train.progress import stage


@dataclass(frozen=True, kw_only=True, eq=False)
class Lap:
    """The race for one budget.

    Attributes:
        allowance: the budget.
        entries: all candidates.
        left: why methods have none.
        compared: those that had a trial, the one to be taken first.
        told: what was found of some candidates by the clock, in words.
        steps: of a trial.
        search_seconds: that it took to choose the sizes of the candidates.
        judge_seconds: that it took to fit and to judge them.
    """

    allowance: Allowance
    entries: tuple[Entry, ...]
    left: tuple[str, ...]
    compared: tuple[Entry, ...]
    told: Mapping[Entry, str]
    steps: int
    search_seconds: float
    judge_seconds: float

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All, those that had a trial with its accuracy."""
        tried = {entry.choice: entry.candidate for entry in self.compared}
        return tuple(tried.get(entry.choice, entry.candidate) for entry in self.entries)

    def unreachable(self) -> InputError:
        """That no candidate is within the budget, and how near each method comes."""
        target, limit = self.allowance.target, self.allowance.limit
        each = ", ".join(
            f"{one.name} {one.reached:.4g}" for one in sorted(self.candidates, key=lambda one: one.reached)
        )
        nearest = f"the least that each takes is {each}" if each else "none has a candidate"
        why = "".join(f"; {one}" for one in self.left)
        return InputError(
            f"no method here reaches {target}, at most {limit:.4g} {target.unit}: {nearest}{why}; allow more"
        )

    def trained(
        self, runner: Runner, epochs: int, most: int, max_drop: float, number: int = 1
    ) -> list[tuple[Trained, str]]:
        """The best candidates after their training, until one loses little enough, each with why it was taken.

        Args:
            runner: that trains.
            epochs: of training.
            most: how many are trained.
            max_drop: points of accuracy that may be lost.
            number: of the first training.
        """
        found: list[tuple[Trained, str]] = []
        for entry in self.compared:
            reason = self._reason(entry, runner) + self.told.get(entry, "")
            found.append((runner.trained(entry, epochs, number + len(found)), reason))
            if len(found) == most or found[-1][0].drop <= max_drop:
                break
        return found

    def _reason(self, entry: Entry, runner: Runner) -> str:
        compared = [one.candidate for one in self.compared]
        return reason(entry.candidate, compared, self.allowance, runner.course.judging.accuracy, self.steps)


def run(runner: Runner, allowance: Allowance, multiple: int, batches: OnDevice, steps: int, *, is_filled: bool) -> Lap:
    """Find the candidates within a budget and try the best of every method.

    Args:
        runner: that trains.
        allowance: the budget.
        multiple: of which widths are multiples.
        batches: training batches, where the network is.
        steps: of a trial; 0 for none.
        is_filled: whether the budget should be used rather than left.
    """
    limit = allowance.limit if is_filled and not allowance.is_timed else None
    start = time.perf_counter()
    with stage(f"choosing sizes within {allowance.target}"):
        found = field(runner.course, allowance, multiple, batches)
    searched = time.perf_counter()
    with stage(f"judging {len(found.choices)} candidates"):
        entries = tuple(choice.entered(allowance) for choice in found.choices)
    judged = time.perf_counter()
    best, told = finalists(entries, limit), dict[Any, str]()
    if allowance.is_timed:
        entries, best, told = _by_the_clock(entries, best, allowance)
    if len(best) > 1:  # one alone has nothing to be compared with
        best = [runner.tried(entry, steps, f"trial {number} of {len(best)}") for number, entry in enumerate(best, 1)]
    return Lap(
        allowance=allowance, entries=entries, left=found.left, compared=tuple(ranking(best, limit)),
        told={entry: told[entry.choice] for entry in best if entry.choice in told}, steps=steps,
        search_seconds=searched - start, judge_seconds=judged - searched,
    )  # fmt: skip


def _by_the_clock(
    entries: Sequence[Entry], best: Sequence[Entry], allowance: Allowance
) -> tuple[tuple[Entry, ...], list[Entry], dict[Any, str]]:
    """All candidates, those of the best that keep a budget of milliseconds beside the next larger, and what was found.

    Each of the best is replaced by the largest network of its kind that was fast enough, or does not fit.
    """
    kept, told, now = [], dict[Any, str](), {entry: entry for entry in entries}
    with stage(f"timing {len(best)} candidates"):
        for entry in best:
            if found := settled(entry, allowance):
                kept.append(found.entry)
                told[found.entry.choice] = f"; {found.told}"
            now[entry] = found.entry if found else replace(entry, candidate=replace(entry.candidate, fits=False))
    return tuple(now.values()), kept, told
