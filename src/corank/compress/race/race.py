"""From candidates to the network: laps around one budget, or around several in search of the smallest that will do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from corank.compress.budget import Target
from corank.compress.race.allowance import Allowance
from corank.compress.race.candidate import Candidate
from corank.compress.race.lap import Lap, run
from corank.compress.race.runner import Runner, Trained
from corank.measure import OnDevice

DEEPEST_FACTOR = 32.0


class Outcome(NamedTuple):
    """What was chosen and trained, of what races, why, and whether it is all that was asked for."""

    trained: Trained
    candidates: tuple[Candidate, ...]
    reason: str
    meets: bool
    laps: tuple[Lap, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Race:
    """How candidates are found, compared and trained.

    Attributes:
        runner: that trains.
        batches: training batches, where the network is.
        multiple: of which widths are multiples.
        trial_steps: of the trial of the best candidate of every method.
        epochs: of training.
        trainings: how many candidates may be trained.
    """

    runner: Runner
    batches: OnDevice
    multiple: int
    trial_steps: int
    epochs: int
    trainings: int

    def within(self, allowance: Allowance, max_drop: float | None) -> Outcome:
        """The best network of a budget; with a limited loss of accuracy the first that keeps it.

        Raises:
            InputError: a budget that nothing reaches.
        """
        lap = self._lap(allowance, is_filled=True)
        most, allowed = (1, math.inf) if max_drop is None else (self.trainings, max_drop)
        trained = lap.trained(self.runner, self.epochs, most, allowed)
        if not trained:
            raise lap.unreachable()
        best, told = min(trained, key=lambda one: one[0].drop)
        if max_drop is not None:
            told += f"; {_after([one for one, _ in trained], best, max_drop)}"
        return Outcome(
            trained=best, candidates=_with(lap.candidates, [best]), reason=told, meets=best.drop <= allowed,
            laps=(lap,),
        )  # fmt: skip

    def cheapest(self, allowance: Allowance, max_drop: float) -> Outcome:
        """The network of fewest multiply-adds that was found to lose little enough; the nearest to it where none does.

        Args:
            allowance: any, for the original network.
            max_drop: points of accuracy that may be lost.

        Raises:
            InputError: no budget is reached.
        """
        fewest, most = 1.0, DEEPEST_FACTOR
        laps: list[Lap] = []
        tries: list[Trained] = []
        for _ in range(self.trainings):
            factor = math.sqrt(fewest * most)
            target = Target.parsed(f"macs={factor:.3g}x")
            laps.append(self._lap(replace(allowance, target=target), is_filled=False))
            found = [one for one, _ in laps[-1].trained(self.runner, self.epochs, 1, math.inf, len(tries) + 1)]
            tries += found
            if found and found[0].drop <= max_drop:
                fewest = factor
            else:
                most = factor
        if not tries:
            raise laps[-1].unreachable()
        keeping = [one for one in tries if one.drop <= max_drop]
        best = min(keeping, key=_multiply_adds) if keeping else min(tries, key=lambda one: one.drop)
        candidates = [one for lap in laps for one in lap.candidates]
        return Outcome(
            trained=best, candidates=_with(candidates, tries), reason=_after(tries, best, max_drop),
            meets=bool(keeping), laps=tuple(laps),
        )  # fmt: skip

    def _lap(self, allowance: Allowance, *, is_filled: bool) -> Lap:
        if hasattr(self.runner.batches, "set_epoch"):
            self.runner.batches.set_epoch(0)  # wherever an earlier training left them
        return run(self.runner, allowance, self.multiple, self.batches, self.trial_steps, is_filled=is_filled)


def _with(candidates: Sequence[Candidate], trained: Sequence[Trained]) -> tuple[Candidate, ...]:
    """Each candidate once: as it was trained, or else after a trial, or else within a budget."""
    tried = sorted(candidates, key=lambda one: (one.trial_accuracy is not None, one.fits))
    every = (*tried, *(one.entry.candidate for one in trained))
    return tuple({(one.method, one.layer, one.sizes): one for one in every}.values())


def _multiply_adds(one: Trained) -> int:
    return one.entry.candidate.cost.multiply_adds


def _after(tries: Sequence[Trained], best: Trained, max_drop: float) -> str:
    """What trainings came to, in words."""
    each = ", ".join(f"{_described(one)} {one.drop:.2f}" for one in tries)
    lost = f"points lost after training: {each}"
    if best.drop <= max_drop:
        said = f"loses {best.drop:.2f}" if best.drop >= 0 else f"gains {-best.drop:.2f}"
        return f"{_described(best)} {said} points where a loss of {max_drop:g} is allowed ({lost})"
    return f"no candidate that was trained loses at most {max_drop:g} points; the nearest is returned ({lost})"


def _described(one: Trained) -> str:
    return f"{one.entry.candidate.name} with {_multiply_adds(one):,} multiply-adds"
