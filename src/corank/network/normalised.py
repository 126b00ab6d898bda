"""Normalisation belongs to the network: inputs stay in the pixel space of the data.

Perturbation budgets, bounds and pictures are then those of the data, and a network is saved together
with the mean and standard deviation that it was trained with.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network.wrapper import Wrapper


class Normalised(Wrapper):
    """`network((x - mean) / std)` with one mean and one standard deviation a channel.

    Args:
        network: what follows; layer names are its own, without the wrapper's prefix.
        mean: per channel, in the units of the input.
        std: per channel, positive.

    Raises:
        InputError: lengths that differ, or a standard deviation that is not positive.

    Example:
        >>> Normalised(nn.Flatten(), mean=[0.5], std=[0.25])(torch.ones(1, 1, 1, 2))
        tensor([[2., 2.]])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if not mean or len(mean) != len(std) or not all(value > 0 for value in std):
            raise InputError(f"normalisation needs one mean and one positive std a channel, got {mean} and {std}")
        self.network = network
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32))
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(B, channels, ...)` and apply the network.

        Raises:
            InputError: another number of channels than of means.
        """
        if x.ndim < 2 or x.shape[1] != len(self.mean):
            raise InputError(f"expected a batch of inputs with {len(self.mean)} channels, got shape {tuple(x.shape)}")
        shape = (-1,) + (1,) * (x.ndim - 2)
        output: Tensor = self.network((x - self.mean.view(shape)) / self.std.view(shape))
        return output
