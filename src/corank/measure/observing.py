"""What a pass over the data and the measures that share it say to each other.

A measure says what it needs of every layer (`Needs`) and starts one observer a layer. The pass keeps the sketches and
the held-out rows that several observers read (`Observed`), and hands each observer what a batch shows of its layer
(`LayerBatch`). What cannot be measured is listed with the reason (`Skip`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from torch import Tensor

from corank.errors import InputError
from corank.linalg import FrequentDirections
from corank.measure.heldout_gram import HeldoutGram
from corank.measure.labelling import Labelling
from corank.network import Point, Weighted
from corank.result import Result

LayerResult = TypeVar("LayerResult", bound=Result)
LAYOUTS: dict[str, str] = {"flattened": "all features of a sample in one row", "kept": "a row for each token"}


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a measure needs of every layer.

    Attributes:
        gradients: rows of a sketch of the loss gradients; 0 for none.
        labels: which function of the logits the gradients are of.
        activations: rows of a sketch of the activations; 0 for none.
        heldout: whether held-out activations are to be kept until the observers have finished.
        through: whether the norms before and after every weight matrix are wanted.
    """

    gradients: int = 0
    labels: Labelling = "true"
    activations: int = 0
    heldout: bool = False
    through: bool = False

    def __or__(self, other: Needs) -> Needs:
        """What both need together."""
        first = self if self.gradients else other
        return Needs(
            gradients=max(self.gradients, other.gradients),
            labels=first.labels,
            activations=max(self.activations, other.activations),
            heldout=self.heldout or other.heldout,
            through=self.through or other.through,
        )


@dataclass(kw_only=True)
class Observed:
    """A layer while it is measured; the pass keeps it up to date, observers read it.

    Attributes:
        point: where it is.
        features: of one row, n.
        layout: how one sample's output becomes rows, in words.
        classes: of the network.
        seed: of what an observer draws.
        gradients: the sketch of the loss gradients, where one is needed.
        activations: the sketch of the activations, where one is needed.
        heldout: activations of the held-out samples, `(b, n)` batches, where they are needed.
        heldout_labels: the true labels of these.
    """

    point: Point
    features: int
    layout: str
    classes: int
    seed: int = 0
    gradients: FrequentDirections | None = None
    activations: FrequentDirections | None = None
    heldout: list[Tensor] = field(default_factory=list)
    heldout_labels: list[Tensor] = field(default_factory=list)

    def forget(self) -> None:
        """Let go of all that is large, when the layer's results are there."""
        self.gradients = self.activations = None
        self.heldout.clear()
        self.__dict__.pop("heldout_gram", None)

    @cached_property
    def heldout_gram(self) -> HeldoutGram:
        """Inner products of the held-out samples; rows of one sample are joined. To be asked for when all are there.

        Raises:
            InputError: nothing was held out, something that is not finite, or samples of unequal numbers of tokens.
        """
        joined = [rows.reshape(len(y), -1) for rows, y in zip(self.heldout, self.heldout_labels, strict=True)]
        widths = sorted({rows.shape[1] for rows in joined})
        if len(widths) > 1:
            raise InputError(
                f"held-out samples must have one number of tokens, got {widths[0]} and {widths[-1]} features: pad them"
            )
        return HeldoutGram.of(joined)


@dataclass(frozen=True, kw_only=True)
class LayerBatch:
    """What one batch shows of one layer.

    Attributes:
        activations: `(R, n)` rows; as many as samples, or tokens in all where tokens are kept.
        gradients: `(R, n)` rows of loss gradients, None where no measure needs them.
        labels: `(B,)` true labels of the samples.
        logits: `(B, C)` of the network.
        losses: `(B,)` of the samples, None without gradients.
    """

    activations: Tensor
    gradients: Tensor | None
    labels: Tensor
    logits: Tensor
    losses: Tensor | None


class Observer(ABC, Generic[LayerResult]):
    """What one measure keeps of one layer."""

    def update(self, batch: LayerBatch) -> None:
        """See samples that are measured; the sketches have them already."""

    def update_heldout(self, batch: LayerBatch) -> None:
        """See held-out samples, after all others; the sketches stay as they are."""

    @abstractmethod
    def result(self) -> LayerResult:
        """What was found.

        Raises:
            InputError: the layer cannot be measured; it is listed with this reason.
        """


@dataclass(frozen=True, kw_only=True)
class Skip:
    """What could not be measured, and why."""

    layer: str
    measure: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A finished pass.

    Attributes:
        samples: that were measured.
        samples_heldout: that stayed out.
        loss: what the gradients are gradients of, in words.
        layout: how samples became rows, in words.
        precision: of the passes.
        skipped: what could not be measured.
        through: by call of a layer with a weight matrix, `|W phi| / |phi|` of every sample.
        weighted: the layers of these calls.
        input_shapes: of one sample at these calls.
        unwatched: weight matrices without such ratios.
    """

    samples: int
    samples_heldout: int
    loss: str
    layout: str
    precision: str
    skipped: tuple[Skip, ...]
    through: dict[str, Tensor]
    weighted: dict[str, Weighted]
    input_shapes: dict[str, tuple[int, ...]]
    unwatched: tuple[Skip, ...]
