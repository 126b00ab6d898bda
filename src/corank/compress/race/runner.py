"""The trainings of the race: short ones to compare by, and those of the networks that may be returned."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import nn

from corank.compress.fine_tuning import ByDistillation, recovered
from corank.compress.race.course import Course
from corank.compress.race.entry import Built, Entry
from corank.measure import Batches
from corank.network import GraphNetwork
from corank.train import Checkpoint, History, accuracy


class Beginning:
    """The first so many batches of some data.

    Example:
        >>> import torch
        >>> data = [(torch.zeros(2, 1), torch.zeros(2, dtype=torch.long))] * 5
        >>> len(Beginning(data, 3)), len(list(Beginning(data, 3)))
        (3, 3)
    """

    def __init__(self, batches: Batches, count: int) -> None:
        self.batches = batches
        self.count = count

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(iter(self.batches), self.count)

    def __len__(self) -> int:
        length = getattr(self.batches, "__len__", None)
        return sum(1 for _ in self) if length is None else min(self.count, length())


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A network after training.

    Attributes:
        entry: what it was made as.
        network: after training.
        history: of the training; None without.
        drop: points of accuracy that it loses, on the validation samples, or on those that judge.
    """

    entry: Entry
    network: GraphNetwork
    history: History | None
    drop: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Runner:
    """Trains candidates, all in the same way.

    Attributes:
        network: the original, which is imitated.
        course: as it was measured.
        batches: training batches.
        validation: to tell the accuracy on; None takes the samples that judge.
        checkpoint: of the compression.
        beta: weight of the original's probabilities against the labels.
        pre_rate: step size of what was kept.
        prune_rate: of what was kept where channels of it are gone.
        head_rate: of what is new.
        seed: of the trainings.
    """

    network: nn.Module
    course: Course
    batches: Batches
    validation: Batches | None
    checkpoint: Checkpoint | None
    beta: float
    pre_rate: float
    prune_rate: float
    head_rate: float
    seed: int

    def tried(self, entry: Entry, steps: int, label: str) -> Entry:
        """A candidate with its accuracy after a short training; as it is without steps.

        Args:
            entry: the candidate.
            steps: of the training.
            label: what it is called while it goes on.
        """
        if steps == 0:
            return entry
        built = entry.built
        network, _ = recovered(
            built.network, self.network, Beginning(self.batches, steps), self._tuning(built), epochs=1, name=label,
            of=entry.candidate.name, seed=self.seed,
        )  # fmt: skip
        accuracy, _ = self.course.judging.judged(network)
        tried = replace(entry, candidate=replace(entry.candidate, trial_accuracy=accuracy), make=lambda: built)
        return tried

    def trained(self, entry: Entry, epochs: int, number: int = 1) -> Trained:
        """The network of a candidate after its training.

        Args:
            entry: the candidate.
            epochs: of training.
            number: of the training, by which it is found in the checkpoint.
        """
        built = entry.built
        network, history = recovered(
            built.network, self.network, self.batches, self._tuning(built), epochs=epochs,
            name="fine-tuning" if number == 1 else f"fine-tuning-{number}", of=entry.candidate.name,
            validation=self.validation, checkpoint=self.checkpoint, seed=self.seed,
        )  # fmt: skip
        drop = 100 * (self._original_accuracy - self._accuracy(network))
        return Trained(entry=entry, network=network, history=history, drop=drop)

    def _tuning(self, built: Built) -> ByDistillation:
        pre_rate = self.prune_rate if built.is_narrow else self.pre_rate
        return ByDistillation(beta=self.beta, pre_rate=pre_rate, head_rate=self.head_rate, new=built.new)

    @cached_property
    def _original_accuracy(self) -> float:
        return self._accuracy(self.network)

    def _accuracy(self, network: nn.Module) -> float:
        judging = self.course.judging
        return accuracy(network, [(judging.x, judging.labels)] if self.validation is None else self.validation)
