"""What a channel is worth, as Torch-Pruning scores it: relative to the mean of its group.

"l1" and "l2" are the norms of all weights that make, scale or read a channel (Li et al. 2017, Pruning Filters for
Efficient ConvNets; summed over a group as in Fang et al. 2023), "l2" without the root, "batch-norm" the scales of its
batch norms (Liu et al. 2017, Network Slimming), and "taylor" what the loss would change to first order without its
weights (Molchanov et al. 2019, Importance Estimation for Neural Network Pruning).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.errors import InputError
from corank.measure import OnDevice
from corank.measure.labelling import check_labels

ImportanceName = Literal["l1", "l2", "batch-norm", "taylor"]
SAMPLES = 2048
"""How many determine the gradient of "taylor", about."""


def importance_named(name: ImportanceName) -> Callable[[Any], Tensor | None]:
    """The score of that name, for groups of Torch-Pruning."""
    from torch_pruning.pruner import importance

    kinds: dict[ImportanceName, Callable[[], Any]] = {
        "l1": lambda: importance.GroupMagnitudeImportance(p=1),
        "l2": lambda: importance.GroupMagnitudeImportance(p=2),
        "batch-norm": importance.BNScaleImportance,
        "taylor": importance.GroupTaylorImportance,
    }
    score: Callable[[Any], Tensor | None] = kinds[name]()
    return score


def add_gradients(network: nn.Module, batches: OnDevice) -> None:
    """Leave the gradient of the summed cross entropy of some samples in a network's parameters.

    Args:
        network: in evaluation mode.
        batches: of which those are taken that hold the first `SAMPLES` samples.

    Raises:
        InputError: a label that names no class.
    """
    drawn = 0
    for number, (x, y) in enumerate(batches):
        with torch.enable_grad():
            logits = network(x)
            try:
                check_labels(y, logits.shape[1])
            except InputError as error:
                raise InputError(f"batch {number}: {error}") from error
            functional.cross_entropy(logits, y, reduction="sum").backward()  # type: ignore[no-untyped-call]
        drawn += len(x)
        if drawn >= SAMPLES:
            return
