"""Layer cushions: the gain of a layer's weight matrix on the data that reach it, over its Frobenius norm.

Per sample `|W phi(x)| / (|W|_F |phi(x)|)`, the cushion is the least over the data (Arora et al. 2018; Sanyal et al.
2020, Robustness via Deep Low-Rank Representations, sec. 3.2 and app. E). Bias excluded. For a convolution `|W|_F` is
the kernel's, or that of the whole linear map it applies, each tap counted by the positions it hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.measure.base import Batches, Measurement
from corank.measure.layer_measure import LayerMeasure
from corank.measure.observing import Needs, Passed, Skip
from corank.network import Weighted
from corank.result import Result, Scalar

BINS = 30
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, kw_only=True)
class CushionLayer(Result):
    """The cushion of one layer with a weight matrix.

    Attributes:
        layer: its module.
        kind: of the layer.
        samples: that were measured.
        samples_left_out: whose input to the layer is zero, so that they have no ratio.
        cushion: the least ratio, with the norm of the unrolled map.
        cushion_kernel: the least ratio with the norm of the kernel; the same for a fully connected layer.
        median: of the ratios, unrolled.
        quantiles: the 0, 5, 25, 50, 75, 95 and 100 % quantiles of the ratios, unrolled.
        edges: of the histogram's bins, one more than counts.
        counts: samples in each bin.
    """

    layer: str
    kind: str
    samples: int
    samples_left_out: int
    cushion: float
    cushion_kernel: float
    median: float
    quantiles: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def row(self) -> dict[str, Scalar]:
        """Layer, cushion, median."""
        return {"layer": self.layer, "kind": self.kind, "cushion": self.cushion, "median": self.median}


@dataclass(frozen=True, kw_only=True)
class LayerCushions(Measurement):
    """The cushions of all layers with a weight matrix."""

    layers: tuple[CushionLayer, ...]
    samples: int
    skipped: tuple[Skip, ...] = ()

    def row(self) -> dict[str, Scalar]:
        """How many layers and samples."""
        return {"layers": len(self.layers), "samples": self.samples}


@final
@dataclass(frozen=True, kw_only=True)
class LayerCushion(LayerMeasure[CushionLayer]):
    """The cushions of all layers with a weight matrix, whichever points `layer` names.

    Args:
        layer: has no influence on the cushions.

    Raises:
        InputError: an option out of its range.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2))
        >>> _ = net[0].weight.data.copy_(torch.diag(torch.tensor([3.0, 4.0])))
        >>> data = [(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))]
        >>> found = LayerCushion().measure(net, data).layers[0]
        >>> found.layer, round(found.cushion, 6), round(found.quantiles[-1], 6)
        ('0', 0.6, 0.8)
    """

    def measure(self, network: nn.Module, batches: Batches) -> LayerCushions:
        """Measure all layers with a weight matrix; see `Measure.measure`."""
        result = super().measure(network, batches)
        assert isinstance(result, LayerCushions)
        return result

    def needs(self) -> Needs:
        """The norms before and after every weight matrix."""
        return Needs(through=True)

    def conclude(self, layers: Sequence[CushionLayer], passed: Passed) -> LayerCushions:
        """The cushions from the ratios that the pass kept."""
        found = []
        skipped = [*passed.skipped, *(replace(skip, measure="layer-cushion") for skip in passed.unwatched)]
        for label, ratios in passed.through.items():
            try:
                found.append(_cushion(label, passed.weighted[label], passed.input_shapes[label], ratios))
            except InputError as reason:
                skipped.append(Skip(layer=label, measure="layer-cushion", reason=str(reason)))
        if not found:
            raise InputError(skipped[-1].reason if skipped else "the network has no layer with a weight matrix")
        samples = max(len(ratios) for ratios in passed.through.values())
        return LayerCushions(layers=tuple(found), samples=samples, skipped=tuple(skipped))


def _cushion(label: str, weighted: Weighted, input_shape: tuple[int, ...], ratios: Tensor) -> CushionLayer:
    """The cushion of one layer from `|W phi| / |phi|` of every sample, not a number where phi is zero."""
    known = ratios.to("cpu", torch.float64)
    known = known[torch.isfinite(known)]
    if not len(known):
        raise InputError(f"the input of layer {label!r} is zero for all {len(ratios)} samples")
    kernel, unrolled = weighted.norm, weighted.norm_unrolled(input_shape)
    if not kernel:
        raise InputError(f"the weights of layer {label!r} are all zero")
    gains = known / unrolled
    quantiles = tuple(torch.quantile(gains, torch.tensor(QUANTILES, dtype=torch.float64)).tolist())
    counts, edges = torch.histogram(gains, bins=BINS, range=_range(quantiles[0], quantiles[-1]))
    return CushionLayer(
        layer=label,
        kind=weighted.kind,
        samples=len(known),
        samples_left_out=len(ratios) - len(known),
        cushion=quantiles[0],
        cushion_kernel=float(known.min()) / kernel,
        median=quantiles[QUANTILES.index(0.5)],
        quantiles=quantiles,
        edges=tuple(edges.tolist()),
        counts=tuple(int(count) for count in counts),
    )


def _range(low: float, high: float) -> tuple[float, float]:
    """What the histogram spans: all ratios; from zero on where they are all the same."""
    are_same = high - low <= 1e-9 * high
    return (0.0, 2 * high or 1.0) if are_same else (low, high)
