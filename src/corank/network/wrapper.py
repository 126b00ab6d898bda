"""Modules that stand around a network: the names of layers are those of the network inside."""

from __future__ import annotations

from torch import nn


class Wrapper(nn.Module):
    """What only prepares the input or the output of `network`, which alone has layers."""

    network: nn.Module


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside all wrappers, or the network itself."""
    while isinstance(network, Wrapper):
        network = network.network
    return network


def prefix_of(network: nn.Module) -> str:
    """What the wrappers put before the names of the network inside, `"network."` for one of them."""
    return f"network.{prefix_of(network.network)}" if isinstance(network, Wrapper) else ""
