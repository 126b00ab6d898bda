"""A compressed network with what it is worth: its accuracy in all its states, its latency, the original's beside it."""

from __future__ import annotations

from dataclasses import dataclass

from corank.compress import ASNetwork, Compressed
from corank.network import Latency
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class Accuracies(Result):
    """Accuracy on the validation split, where choices are made, and on the test split, which is reported."""

    validation: float
    test: float

    def row(self) -> dict[str, Scalar]:
        """Both accuracies."""
        return {"validation_accuracy": self.validation, "test_accuracy": self.test}


@dataclass(frozen=True, kw_only=True)
class Evaluated(Result):
    """A compressed network with what it is worth.

    Attributes:
        compressed: the network and its cost.
        original: accuracy of the network it came from.
        untuned: accuracy before any training; None where there was none.
        dense: accuracy after fine-tuning, before sparse training; None where there were not both.
        tuned: accuracy as it is.
        latency: of the smaller network, a row a batch size.
        latency_original: of the original network, measured in turns with it.
    """

    compressed: Compressed
    original: Accuracies
    untuned: Accuracies | None
    dense: Accuracies | None
    tuned: Accuracies
    latency: tuple[Latency, ...]
    latency_original: tuple[Latency, ...]

    def row(self) -> dict[str, Scalar]:
        """Accuracy before and after, cost, and how much faster one sample is."""
        return {
            **self.compressed.row(),
            "test accuracy": self.tuned.test,
            "of the original": self.original.test,
            "untuned": self.untuned.test if self.untuned else None,
            "dense": self.dense.test if self.dense else None,
            "faster at batch 1": self.speedup,
        }

    @property
    def speedup(self) -> float:
        """The ratio of median latencies for a single sample."""
        return self.latency_original[0].median_ms / self.latency[0].median_ms


def asnetwork(found: Evaluated) -> ASNetwork:
    """The compressed network as what a cut gives."""
    assert isinstance(found.compressed, ASNetwork)
    return found.compressed
