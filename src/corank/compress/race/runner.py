"""The trainings of the race: short ones to compare by, and that of the network that is returned."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
        return sum(1 for _ in self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A network after training.

    Attributes:
        built: before it.
        network: after it.
        history: of the training; None without.
        accuracy: on the validation samples, or on those that judge.
    """

    built: Built
    network: GraphNetwork
    history: History | None
    accuracy: float


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
    head_rate: float
    seed: int

    @property
    def original_accuracy(self) -> float:
        """Of the original network, where trained ones are judged."""
        return self._accuracy(self.network)

    def tried(self, entry: Entry, steps: int) -> Entry:
        """A candidate with its accuracy after a short training; as it is without steps."""
        if steps == 0:
            return entry
        built = entry.build()
        network, _ = recovered(
            built.network, self.network, Beginning(self.batches, steps), self._tuning(built), epochs=1,
            of=f"trial of {entry.candidate.name}", seed=self.seed,
        )  # fmt: skip
        accuracy, _ = self.course.judging.judged(network)
        return replace(entry, candidate=replace(entry.candidate, trial_accuracy=accuracy))

    def trained(self, entry: Entry, epochs: int, number: int = 1) -> Trained:
        """The network of a candidate after its training."""
        built = entry.build()
        name = "fine-tuning" if number == 1 else f"fine-tuning-{number}"
        network, history = recovered(
            built.network, self.network, self.batches, self._tuning(built), epochs=epochs, name=name,
            of=entry.candidate.name, validation=self.validation, checkpoint=self.checkpoint, seed=self.seed,
        )  # fmt: skip
        return Trained(built=built, network=network, history=history, accuracy=self._accuracy(network))

    def _tuning(self, built: Built) -> ByDistillation:
        return ByDistillation(beta=self.beta, pre_rate=self.pre_rate, head_rate=self.head_rate, new=built.new)

    def _accuracy(self, network: nn.Module) -> float:
        judging = self.course.judging
        return accuracy(network, [(judging.x, judging.labels)] if self.validation is None else self.validation)
