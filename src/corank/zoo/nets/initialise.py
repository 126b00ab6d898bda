"""The first weights of the zoo's networks: rectified units keep the variance of what flows forward.

He et al. 2015, Delving Deep into Rectifiers, section 2.2, eq. (10): normal weights of variance 2 / fan-in and
zero biases. Batch norms start as the identity (weight 1, bias 0).
"""

from __future__ import annotations

import torch
from torch import nn


def he_initialise(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw every convolution and linear layer of a network anew, in place.

    Args:
        network: any network of convolutions, linear layers and batch norms.
        generator: where the chance comes from; by default torch's global generator.

    Example:
        >>> layer = nn.Linear(2, 8)
        >>> he_initialise(layer, torch.Generator().manual_seed(0))
        >>> layer.bias.tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
