"""What RON returns: a network whose end became a small fully-connected one, with its accounts."""

from __future__ import annotations

from dataclasses import dataclass

from corank.compress.base import Compressed
from corank.compress.reduced.layer import ReducedLayer
from corank.network import Cost
from corank.result import Result, Scalar

NAMED = 6  # widths at most, of more the range is told


@dataclass(frozen=True, kw_only=True)
class ReductionRound(Result):
    """One round of compressing and fine-tuning.

    Attributes:
        round: its number, from 1.
        overall: the cost of the network after it.
        ranks: of the layers.
        agreement: share of held-out samples in the class of the network before the round, before fine-tuning.
        validation_accuracy: after fine-tuning; None without, or without validation batches.
    """

    round: int
    overall: Cost
    ranks: tuple[int, ...]
    agreement: float
    validation_accuracy: float | None

    def row(self) -> dict[str, Scalar]:
        """Number, cost, agreement and accuracy."""
        return {
            "round": self.round, **self.overall.row(), "agreement": self.agreement,
            "validation accuracy": self.validation_accuracy,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RONetwork(Compressed):
    """A network with a reduced-order end.

    Attributes:
        layer: the last one that was kept as it is; None where the whole network was reduced.
        layers: the reduced layers in their last round, with their errors.
        pre: the cost of what was kept.
        head: the cost of the reduced layers.
        samples: that determined the bases.
        samples_heldout: on which errors and agreement were measured.
        agreement: share of held-out samples that are put into the original's class, before fine-tuning.
        rounds: of compressing and fine-tuning.
    """

    layer: str | None
    layers: tuple[ReducedLayer, ...]
    pre: Cost
    head: Cost
    samples: int
    samples_heldout: int
    agreement: float
    rounds: tuple[ReductionRound, ...]

    @property
    def replaced(self) -> Cost:
        """The cost of the part of the original network that the reduced layers stand for."""
        return Cost(
            parameters=self.original.parameters - self.pre.parameters,
            storage_bytes=self.original.storage_bytes - self.pre.storage_bytes,
            multiply_adds=self.original.multiply_adds - self.pre.multiply_adds,
        )

    @property
    def manner(self) -> str:
        """How it was made, in a few words that may follow the name of the network."""
        return "reduced as a whole" if self.layer is None else f"reduced after {self.layer}"

    @property
    def why(self) -> str:
        """What was changed, what was left and why, in a sentence for people."""
        rows = [layer.rows for layer in self.layers]
        widths = ", ".join(map(str, rows)) if len(rows) <= NAMED else f"from {min(rows)} to {max(rows)}"
        layers = "1 dense layer that keeps" if len(rows) == 1 else f"{len(rows)} dense layers that keep"
        new = f"{layers} {widths} features, and a linear output"
        before = ", then fine-tuned" if self.training else " without any training"
        if self.layer is None:
            return f"the whole network was replaced by {new}{before}"
        kept = "was only fine-tuned" if self.training else "is as it was"
        return f"everything after {self.layer} was replaced by {new}{before}; the rest {kept}"

    def row(self) -> dict[str, Scalar]:
        """The kept part, the layers, their cost and how often they agree with the original."""
        return {
            "layer": self.layer, "reduced layers": len(self.layers), **super().row(), "agreement": self.agreement,
        }  # fmt: skip
