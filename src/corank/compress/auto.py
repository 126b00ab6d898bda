"""Auto: say what a network may cost, or how much accuracy it may lose, and get the best that the methods here make.

The network is measured once. Every method then gives its candidates within the budget: ASNets at each cut, reduced-order
networks from the last places that the budget reaches, channel pruning, and both behind a pruned front. All are compared
before any training, the best of each kind again after the same short training, and the best of these is trained.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

from torch import nn

from corank.compress.base import Compressor
from corank.compress.budget import Target
from corank.compress.budgeted import Budgeted
from corank.compress.race.allowance import Allowance
from corank.compress.race.candidate import Candidate, front_of
from corank.compress.race.course import Course, measured
from corank.compress.race.entry import Entry
from corank.compress.race.field import field
from corank.compress.race.runner import Runner, Trained
from corank.compress.race.verdict import best_of, finalists, near, reason
from corank.errors import InputError
from corank.measure import Batches, OnDevice, first_that_fits
from corank.network import cost
from corank.train import Checkpoint
from corank.train.evaluate import device_of

LADDER = ("macs=8x", "macs=6x", "macs=4x", "macs=3x", "macs=2x", "macs=1.5x")
"""Budgets that are tried where only the accuracy was said."""
RECOVERABLE = 10.0  # points of accuracy that training may win back


@final
@dataclass(frozen=True, kw_only=True)
class Auto(Compressor):
    """Find the best network within a budget, or the cheapest that loses little accuracy, and train it.

    At least one of target and max_drop must be given. With both, the budget decides which network it is, and whether
    the loss of accuracy is small enough is said.

    Args:
        target: the budget: "macs=3x" and "params=10x" for so many times fewer, "macs=4e7", "params=2e5", "storage-mb=5"
            or "latency-ms=4" (one sample) for so much.
        max_drop: how many points of accuracy may be lost after training, on the validation samples.
        multiple: the widths of new and pruned layers are multiples of it.
        trial_steps: of a short training of the best candidate of every method, the same for all, after which they are
            compared; 0 compares them as they are, which is unfair to pruning.
        trainings: how many candidates may be trained in search of one that loses at most max_drop.
        epochs: of training the chosen candidate by distillation; 0 leaves it as it was built.
        beta: weight of the original's probabilities against the labels in both trainings.
        pre_rate: step size of the kept part, or of all layers where none is new.
        head_rate: step size of the new layers.
        seed: of measuring and training.

    Raises:
        InputError: neither or an unknown target, or an option out of its range.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
        >>> data = [(torch.randn(64, 6), torch.randint(3, (64,))) for _ in range(8)]
        >>> small = Auto(target="macs=3x", trial_steps=0, epochs=0).compress(net, data)
        >>> small.meets, small.overall.multiply_adds <= small.original.multiply_adds / 3
        (True, True)
    """

    target: str | None = None
    max_drop: float | None = None
    multiple: int = 8
    trial_steps: int = 50
    trainings: int = 3
    epochs: int = 5
    beta: float = 0.1
    pre_rate: float = 1e-4
    head_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.target is None and self.max_drop is None:
            raise InputError("a target (as in macs=3x) or a max_drop (points of accuracy) must be given, got neither")
        if self.target is not None:
            Target.parsed(self.target)
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise InputError(f"max_drop must be between 0 and 100 points of accuracy, got {self.max_drop}")
        for name, least in {"multiple": 1, "trial_steps": 0, "trainings": 1, "epochs": 0}.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.beta <= 1:
            raise InputError(f"beta must lie between 0 and 1, got {self.beta}")
        for name in ("pre_rate", "head_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be positive and finite, got {getattr(self, name)}")

    def compress(
        self,
        network: nn.Module,
        batches: Batches,
        *,
        validation: Batches | None = None,
        checkpoint: Checkpoint | Path | None = None,
    ) -> Budgeted:
        """Build the network; see `Compressor.compress`.

        Raises:
            InputError: a budget that nothing reaches, a network that cannot be cut anywhere, or a checkpoint that is
                broken or of other options.
        """
        result = super().compress(network, batches, validation=validation, checkpoint=checkpoint)
        assert isinstance(result, Budgeted)
        return result

    def _compress(
        self, network: nn.Module, batches: Batches, validation: Batches | None, checkpoint: Checkpoint | None
    ) -> Budgeted:
        there = OnDevice(batches, device_of(network))
        example = first_that_fits(network, there)
        original = cost(network, example.shape[1:], example.dtype)
        targets = [Target.parsed(text) for text in ([self.target] if self.target else LADDER)]
        allowances = [Allowance.of(target, network, original, example) for target in targets]
        tightest = allowances[0]
        course = measured(network, batches, validation, reaches=tightest.reaches, seed=self.seed)
        start = time.perf_counter()
        entries, left = _fields(course, allowances, self.multiple, there)
        runner = Runner(
            network=network, course=course, batches=batches, validation=validation, checkpoint=checkpoint,
            beta=self.beta, pre_rate=self.pre_rate, head_rate=self.head_rate, seed=self.seed,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        found = self._within(entries, tightest, runner) if self.target else self._cheapest(entries, runner)
        own = cost(found.trained.network, example.shape[1:], example.dtype)
        return Budgeted(
            network=found.trained.network,
            fitted=found.trained.built.network if found.trained.history else None,
            training=found.trained.history,
            original=original,
            overall=own,
            message=left,
            target=tightest.target if self.target else None,
            max_drop=self.max_drop,
            limit=tightest.limit if self.target else None,
            reached=tightest.amount(own, lambda: found.trained.network) if self.target else None,
            candidates=tuple(sorted(found.candidates, key=lambda one: -one.judged)),
            chosen=found.chosen,
            reason=found.reason,
            meets=found.meets,
            accuracy_original=course.judging.accuracy,
            samples_judging=len(course.judging.labels),
            search_seconds=seconds,
            measure_seconds=course.seconds,
        )

    def _within(self, entries: Sequence[Entry], allowance: Allowance, runner: Runner) -> Outcome:
        """The best candidate of the budget, trained."""
        if not any(entry.candidate.fits for entry in entries):
            raise _unreachable(allowance, entries)
        tried = {id(entry): runner.tried(entry, self.trial_steps) for entry in finalists(entries, allowance.limit)}
        known = [tried.get(id(entry), entry) for entry in entries]
        compared = near([tried[key] for key in tried], allowance.limit)
        chosen = best_of(compared)
        trained = runner.trained(chosen, self.epochs)
        told = reason(
            chosen.candidate, [entry.candidate for entry in tried.values()], allowance,
            runner.course.judging.accuracy, self.trial_steps,
        )  # fmt: skip
        drop = 100 * (runner.original_accuracy - trained.accuracy)
        meets = self.max_drop is None or drop <= self.max_drop
        if self.max_drop is not None:
            told += f"; after training it loses {drop:.2f} points where {self.max_drop:g} were allowed"
        return Outcome(trained, chosen.candidate, [entry.candidate for entry in known], told, meets)

    def _cheapest(self, entries: Sequence[Entry], runner: Runner) -> Outcome:
        """The cheapest candidate that keeps the accuracy after training; the nearest to it where none does."""
        assert self.max_drop is not None
        candidates = [entry.candidate for entry in entries]
        front = [next(entry for entry in entries if entry.candidate is one) for one in front_of(candidates)]
        least = runner.course.judging.accuracy - (self.max_drop + RECOVERABLE) / 100
        hopeful = [entry for entry in front if entry.candidate.judged >= least] or front[-1:]
        original = runner.original_accuracy
        tries: list[tuple[float, Entry, Trained]] = []
        for number, entry in enumerate(hopeful[: self.trainings], start=1):
            trained = runner.trained(entry, self.epochs, number)
            tries.append((100 * (original - trained.accuracy), entry, trained))
            if tries[-1][0] <= self.max_drop:
                break
        drop, chosen, trained = min(tries, key=lambda one: one[0])
        meets = drop <= self.max_drop
        each = ", ".join(f"{entry.candidate.name} {lost:.2f}" for lost, entry, _ in tries)
        told = f"{chosen.candidate.name} is the cheapest candidate found that loses at most {self.max_drop:g} points"
        if not meets:
            told = f"no candidate that was trained loses at most {self.max_drop:g} points; the nearest is returned"
        return Outcome(trained, chosen.candidate, candidates, f"{told} (points lost after training: {each})", meets)


class Outcome(NamedTuple):
    """What was chosen and trained, beside what, why, and whether it is all that was asked for."""

    trained: Trained
    chosen: Candidate
    candidates: list[Candidate]
    reason: str
    meets: bool


def _fields(
    course: Course, allowances: Sequence[Allowance], multiple: int, batches: OnDevice
) -> tuple[list[Entry], str]:
    """The candidates of all budgets, each once, and why a method has none."""
    found: list[Entry] = []
    left = ""
    for allowance in allowances:
        entries, left = field(course, allowance, multiple, batches)
        known = {(one.candidate.method, one.candidate.layer, one.candidate.sizes) for one in found}
        own = (one for one in entries if len(allowances) == 1 or one.candidate.fits)
        found += [one for one in own if (one.candidate.method, one.candidate.layer, one.candidate.sizes) not in known]
    return found, left


def _unreachable(allowance: Allowance, entries: Sequence[Entry]) -> InputError:
    least = min((entry.candidate.reached for entry in entries), default=None)
    nearest = "no method has a candidate" if least is None else f"the smallest network found takes {least:.4g}"
    return InputError(
        f"no method here reaches {allowance.target}, which is {allowance.limit:.4g} {allowance.target.quantity}: {nearest}; "
        "ask for less"
    )
