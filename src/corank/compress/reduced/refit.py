"""The linear maps of a small network, fitted to the original's values, layer after layer, in closed form.

The map from kept features to the next layer, `S W V (S V)^+`, is exact for values in the span of V. On data it is not:
entries of the rest beside the span are amplified by the interpolation, and errors of earlier layers come in. Ridge
regression of what the original has there on what the small network has, with the shortest change of the map as its
prior, is the best that a linear map can do about both. This goes beyond the thesis, which fine-tunes instead.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from corank.compress.reduced.bases import Recorded
from corank.compress.reduced.reduction import Reduced, Reduction
from corank.compress.reduced.student import START, DenseLayer
from corank.errors import InputError
from corank.linalg.validated_ridge import LEAST_SAMPLES, validated_ridge


@torch.no_grad()
def refit(reduction: Reduction, reduced: Reduced, recorded: Recorded) -> None:
    """Improve a small network in place; maps that read all of the start are exact and stay.

    Args:
        reduction: that it was built from.
        reduced: the small network.
        recorded: samples as they ran through the original.

    Raises:
        InputError: too few samples.
    """
    if len(recorded.labels) < LEAST_SAMPLES:
        raise InputError(
            f"maps are fitted to at least {LEAST_SAMPLES} samples, got {len(recorded.labels)}: give more, or reduce "
            "with maps 'interpolated'"
        )
    network = reduced.network
    values = {START: network.projection(recorded.start)}
    whole = set() if reduction.is_projected else {START}
    for place, name in enumerate(reduction.names):
        layer = network.layers[name]
        assert isinstance(layer, DenseLayer)
        _improve(layer, values, recorded.sources[place][:, reduced.inputs[place]], whole)
        values[name] = layer.read(layer(values))
    _improve(network.output, values, recorded.logits, whole)


def _improve(layer: DenseLayer, values: Mapping[str, Tensor], targets: Tensor, exact: set[str]) -> None:
    """Add to a layer's bias, and to its maps of all but exact sources, what predicts the rest of the targets best."""
    names = [name for name in layer.maps if name not in exact]
    if not names:
        return
    rest = targets - layer.mapped(values)
    change, offset, _ = validated_ridge(torch.cat([values[name] for name in names], 1), rest)
    parts = torch.split(change.T, [values[name].shape[1] for name in names], 1)
    for name, part in zip(names, parts, strict=True):
        linear = layer.maps[name]
        assert isinstance(linear, nn.Linear)
        linear.weight += part.to(linear.weight.dtype)
    layer.offset.add_(offset.to(layer.offset.dtype))
