"""Mutual information between a layer and the input, and between a layer and the label, bounded by kernel density.

Kolchinsky and Tracey 2017, Estimating Mixture Entropy with Pairwise Distances, as Langenberg et al. 2019 use it
(sec. 2 and 5): Gaussian noise of a chosen variance makes the information of a deterministic layer finite. The bounds
depend on distances alone, which the inner products of the held-out samples give. All in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from corank.errors import InputError
from corank.linalg import information_bounds
from corank.measure.base import Batches, Measurement
from corank.measure.layer_measure import LayerMeasure
from corank.measure.observing import Needs, Observed, Observer, Passed, Skip
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A lower and an upper bound in nats, and whether the number of samples caps the upper one."""

    low: float
    high: float
    is_saturated: bool


@dataclass(frozen=True, kw_only=True)
class InformationLayer(Result):
    """The information in one layer.

    Attributes:
        layer: the point that was measured.
        index: its number among the convolutions, None where it ends none.
        width: features of one sample.
        samples: held-out samples that it was estimated from.
        limit: the logarithm of `samples`, which no estimate can pass.
        input: about the input.
        label: about the label.
        label_entropy: of the labels of these samples, which no information about the label can pass.
    """

    layer: str
    index: int | None
    width: int
    samples: int
    limit: float
    input: Bounds
    label: Bounds
    label_entropy: float

    def row(self) -> dict[str, Scalar]:
        """Layer and both bounds."""
        return {
            "layer": self.layer, "I(T;X) from": self.input.low, "I(T;X) to": self.input.high,
            "I(T;Y) from": self.label.low, "I(T;Y) to": self.label.high, "saturated": self.input.is_saturated,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LayerInformation(Measurement):
    """The information in all measured layers."""

    layers: tuple[InformationLayer, ...]
    noise_variance: float
    samples: int
    label_entropy: float
    skipped: tuple[Skip, ...] = ()

    def row(self) -> dict[str, Scalar]:
        """How many layers and samples."""
        return {"layers": len(self.layers), "samples": self.samples}


@final
@dataclass(frozen=True, kw_only=True)
class MutualInformation(LayerMeasure[InformationLayer]):
    """Bounds of the information that a layer with noise holds about input and label, from held-out samples.

    The tokens of a sample, where they are kept apart, are joined again. The bounds about the label cross: the lower one
    is the lower of `I(T; X)` less the upper ones within the classes.

    Args:
        noise_variance: of the Gaussian noise added to every feature, in the squared unit of the activations.

    Raises:
        InputError: an option out of its range.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> data = [(torch.randn(16, 6), torch.randint(3, (16,))) for _ in range(10)]
        >>> found = MutualInformation(layer="1").measure(net, data).layers[0]
        >>> found.samples, 0 < found.input.low <= found.input.high <= found.limit
        (32, True)
    """

    noise_variance: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.noise_variance > 0 and math.isfinite(self.noise_variance)):
            raise InputError(f"noise_variance must be positive and finite, got {self.noise_variance}")

    def measure(self, network: nn.Module, batches: Batches) -> LayerInformation:
        """Measure the wanted layers; see `Measure.measure`."""
        result = super().measure(network, batches)
        assert isinstance(result, LayerInformation)
        return result

    def needs(self) -> Needs:
        """Held-out samples."""
        return Needs(heldout=True)

    def observer(self, layer: Observed) -> Observer[InformationLayer]:
        """One for a layer."""
        return _Informed(layer, self.noise_variance)

    def conclude(self, layers: Sequence[InformationLayer], passed: Passed) -> LayerInformation:
        """All layers together."""
        return LayerInformation(
            layers=tuple(layers),
            noise_variance=self.noise_variance,
            samples=layers[0].samples,
            label_entropy=layers[0].label_entropy,
            skipped=passed.skipped,
        )


class _Informed(Observer[InformationLayer]):
    """Reads the held-out samples of a layer when all are there."""

    def __init__(self, layer: Observed, noise_variance: float) -> None:
        self.layer = layer
        self.noise_variance = noise_variance

    def result(self) -> InformationLayer:
        gram = self.layer.heldout_gram
        labels = torch.cat(self.layer.heldout_labels).cpu()
        found = information_bounds(gram.coordinates, self.noise_variance, labels)
        assert found.label_lower is not None
        assert found.label_upper is not None
        assert found.label_entropy is not None
        most = found.label_entropy
        return InformationLayer(
            layer=self.layer.point.label,
            index=self.layer.point.index,
            width=gram.width,
            samples=found.samples,
            limit=found.limit,
            input=Bounds(low=found.lower, high=found.upper, is_saturated=found.upper_saturated),
            label=Bounds(
                low=min(max(found.label_lower, 0.0), most),
                high=min(max(found.label_upper, 0.0), most),
                is_saturated=found.upper_saturated,
            ),
            label_entropy=most,
        )
