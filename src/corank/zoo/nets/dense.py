"""Networks of linear layers alone, for images and vectors of any shape: they flatten what they are given.

LeNet-300-100 is the fully connected network of LeCun et al. 1998, Gradient-Based Learning Applied to Document
Recognition, section III.C, with ReLU; it and LeNet-500-300 are those of Daulbaev 2023, Applications of Differential
Equations and Reduced-Order Modeling for Deep Learning, section 5.4.2. The third has five narrow hidden layers whose
weight ranks are watched: Langenberg et al. 2019, On the Effect of Low-Rank Weights on Adversarial Robustness of
Neural Networks, section 5.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

MNIST_PIXELS = 28 * 28


def lenet_300_100(classes: int, features: int = MNIST_PIXELS) -> nn.Sequential:
    """Hidden layers of 300 and 100 units with ReLU.

    Args:
        classes: how many logits.
        features: numbers in one input, all dimensions multiplied.

    Example:
        >>> sum(p.numel() for p in lenet_300_100(classes=10).parameters())
        266610
    """
    return _dense((features, 300, 100, classes), nn.ReLU)


def lenet_500_300(classes: int, features: int = MNIST_PIXELS) -> nn.Sequential:
    """Hidden layers of 500 and 300 units with ReLU.

    Args:
        classes: how many logits.
        features: numbers in one input, all dimensions multiplied.

    Example:
        >>> sum(p.numel() for p in lenet_500_300(classes=10).parameters())
        545810
    """
    return _dense((features, 500, 300, classes), nn.ReLU)


def fcnn_lw(classes: int, features: int = MNIST_PIXELS) -> nn.Sequential:
    """Five hidden layers of 20 units with hyperbolic tangents; the paper's softmax belongs to the loss.

    Args:
        classes: how many logits.
        features: numbers in one input, all dimensions multiplied.

    Example:
        >>> [name for name, _ in fcnn_lw(classes=10).named_children()][:4]
        ['flatten', 'fc1', 'tanh1', 'fc2']
    """
    return _dense((features, 20, 20, 20, 20, 20, classes), nn.Tanh)


def _dense(widths: Sequence[int], activation: type[nn.ReLU] | type[nn.Tanh]) -> nn.Sequential:
    """Linear layers `fc1`, `fc2`, ... between the widths, each but the last with its activation."""
    layers = OrderedDict[str, nn.Module](flatten=nn.Flatten())
    for number, (incoming, outgoing) in enumerate(pairwise(widths), start=1):
        if number > 1:
            layers[f"{activation.__name__.lower()}{number - 1}"] = activation()
        layers[f"fc{number}"] = nn.Linear(incoming, outgoing)
    return nn.Sequential(layers)
