"""Batch norms for the small network that at first change nothing.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.3.1: batch
norms are added before fine-tuning. Here they begin with the statistics of the data, and with weights that undo them.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from corank.compress.reduced.student import DenseLayer, DenseTail
from corank.errors import InputError


def add_batch_norms(network: DenseTail, inputs: Iterable[Tensor]) -> None:
    """Give every layer of a small network a batch norm, in place.

    Args:
        network: as it was built; in evaluation its outputs stay what they were.
        inputs: batches of values at its start, whose statistics the batch norms begin with.

    Raises:
        InputError: fewer than two samples.
    """
    sums: dict[str, Tensor] = {}
    count = 0
    with torch.no_grad():
        for x in inputs:
            count += len(x)
            *_, values = network.states(x)
            for name, layer in network.layers.items():
                assert isinstance(layer, DenseLayer)
                mapped = layer.mapped(values).double()
                both = torch.stack([mapped.sum(0), mapped.square().sum(0)])
                sums[name] = both if name not in sums else sums[name] + both
    if count < 2:
        raise InputError(f"batch norms need the statistics of at least 2 samples, got {count}")
    for name, (total, squares) in sums.items():
        layer = network.layers[name]
        assert isinstance(layer, DenseLayer)
        mean = total / count
        layer.normalisation = _neutral(mean, (squares / count - mean.square()).clamp(min=0), next(layer.parameters()))


def _neutral(mean: Tensor, variance: Tensor, like: Tensor) -> nn.BatchNorm1d:
    """The batch norm of these statistics that returns what it is given."""
    norm = nn.BatchNorm1d(len(mean), device=like.device, dtype=like.dtype)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((norm.running_var.double() + norm.eps).sqrt())
        norm.bias.copy_(norm.running_mean)
    return norm.eval()
