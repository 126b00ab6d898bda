"""The convolutional network with dropout whose compressed features are measured on MNIST.

Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers, section 6:
convolutions 3 x 3 with 32 and 64 channels without padding, dropout of 25 %, linear layers 9216 -> 128 -> classes
with dropout of 50 % between them. The 9216 features need one 2 x 2 max-pooling, which the paper does not name and
which stands after the second convolution here; the activations are ReLU. The logarithm of the softmax before the
paper's negative log-likelihood belongs to the loss.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def cnn_fc(classes: int, in_channels: int = 1) -> nn.Sequential:
    """The network for inputs of `(in_channels, 28, 28)` in the order in which it computes.

    Example:
        >>> sum(p.numel() for p in cnn_fc(classes=10).parameters())
        1199882
    """
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(in_channels, 32, kernel_size=3),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(32, 64, kernel_size=3),
            relu2=nn.ReLU(inplace=True),
            pool=nn.MaxPool2d(2),
            dropout1=nn.Dropout(0.25),
            flatten=nn.Flatten(),
            fc1=nn.Linear(9216, 128),
            relu3=nn.ReLU(inplace=True),
            dropout2=nn.Dropout(0.5),
            fc2=nn.Linear(128, classes),
        )
    )
