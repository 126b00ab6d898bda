"""The convolutional network whose filters' ranks and sparsity are watched in adversarial training.

Langenberg et al. 2019, On the Effect of Low-Rank Weights on Adversarial Robustness of Neural Networks, section 5:
two blocks of a 3 x 3 convolution with 32 filters and 2 x 2 max-pooling, a linear layer of 128 hyperbolic
tangents, a linear layer to the classes. The paper is silent on padding and on the activation of the convolutions;
here there is no padding and the hyperbolic tangent of its other layers. Its softmax belongs to the loss.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def cnn_lw(classes: int, in_channels: int = 1) -> nn.Sequential:
    """The network for inputs of `(in_channels, 28, 28)` in the order in which it computes.

    Example:
        >>> sum(p.numel() for p in cnn_lw(classes=10).parameters())
        113386
    """
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(in_channels, 32, kernel_size=3),
            tanh1=nn.Tanh(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 32, kernel_size=3),
            tanh2=nn.Tanh(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(800, 128),
            tanh3=nn.Tanh(),
            fc2=nn.Linear(128, classes),
        )
    )
