"""The network with two convolutions and two linear layers that the active-subspace attack is shown on.

Cui et al. 2020, Active Subspace of Neural Networks, section 5.2.1: convolutions 5 x 5 with 20 and 50 channels
without padding, each followed by ReLU and 2 x 2 max-pooling, then linear layers 800 -> 500 -> classes.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def cnn4(classes: int, in_channels: int = 1) -> nn.Sequential:
    """The 4-layer network for inputs of `(in_channels, 28, 28)` in the order in which it computes.

    Example:
        >>> [name for name, _ in cnn4(classes=10).named_children()][:4]
        ['conv1', 'relu1', 'pool1', 'conv2']
    """
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(in_channels, 20, kernel_size=5),
            relu1=nn.ReLU(inplace=True),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, kernel_size=5),
            relu2=nn.ReLU(inplace=True),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(800, 500),
            relu3=nn.ReLU(inplace=True),
            fc2=nn.Linear(500, classes),
        )
    )
