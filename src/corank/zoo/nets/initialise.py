"""The first weights of the zoo's networks: rectified units keep the variance of what flows forward.

He et al. 2015, Delving Deep into Rectifiers, section 2.2, eq. (10): normal weights of variance 2 / fan-in and
zero biases. Batch norms start as the identity (weight 1, bias 0).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

_SETTLING = 20  # power iterations after which spectral normalisation knows the scale of new weights


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
            _draw(module, generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


@torch.no_grad()
def _draw(module: nn.Conv2d | nn.Linear, generator: torch.Generator | None) -> None:
    weight = torch.empty_like(module.weight) if is_parametrized(module, "weight") else module.weight
    nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
    if is_parametrized(module, "weight"):
        module.weight = weight  # taken apart by the parametrisation
        for _ in range(_SETTLING):
            _ = module.weight
