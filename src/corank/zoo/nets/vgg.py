"""VGG networks for small images: 3 x 3 convolutions with batch norm, then linear layers.

Simonyan and Zisserman 2015, Very Deep Convolutional Networks, table 1, columns D (`vgg16`) and E (`vgg19`), in the
shape used for CIFAR: five poolings bring 32 x 32 to 1 x 1 and one linear layer 512 -> classes replaces the three of
the paper. With three of them (Sanyal et al. 2020, Robustness via Deep Low-Rank Representations, appendix C) the
512 features meet hidden layers of 512 units; that paper is silent on their width and on dropout, and here there is
none. Convolutions keep their biases, so that a batch norm is followed by nothing but ReLU and pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import nn

Pool = Literal["pool"]


@dataclass(frozen=True)
class Unpadded:
    """A convolution without padding, which leaves out one pixel on each side."""

    channels: int


Plan = Sequence[int | Unpadded | Pool]

_VGG7: Plan = (32, 32, "pool", 64, 64, "pool", 128, 128, "pool", Unpadded(256), "pool")
_VGG16: Plan = (
    *(64, 64, "pool"),
    *(128, 128, "pool"),
    *(256, 256, 256, "pool"),
    *(512, 512, 512, "pool"),
    *(512, 512, 512, "pool"),
)
_VGG19: Plan = (
    *(64, 64, "pool"),
    *(128, 128, "pool"),
    *(256, 256, 256, 256, "pool"),
    *(512, 512, 512, 512, "pool"),
    *(512, 512, 512, 512, "pool"),
)
_DIGITS: Plan = (32, 32, "pool", 64, 64, "pool", 128, 128, "pool")
_HIDDEN = (512, 512)


class VGG(nn.Module):
    """`features` (convolution, batch norm, ReLU, pooling in this order), then `classifier`.

    Args:
        plan: the channels of the convolutions in order, with "pool" for a 2 x 2 max-pooling; after the last
            pooling one pixel must be left.
        classes: how many logits.
        in_channels: channels of the input.
        hidden: units of the linear layers before the last, each with ReLU.

    Example:
        >>> VGG((4, "pool"), classes=3, in_channels=1)(torch.zeros(5, 1, 2, 2)).shape
        torch.Size([5, 3])
    """

    def __init__(self, plan: Plan, *, classes: int, in_channels: int, hidden: Sequence[int] = ()) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for step in plan:
            if step == "pool":
                layers.append(nn.MaxPool2d(2))
                continue
            outgoing, padding = (step.channels, 0) if isinstance(step, Unpadded) else (step, 1)
            convolution = nn.Conv2d(channels, outgoing, 3, padding=padding)
            layers += [convolution, nn.BatchNorm2d(outgoing), nn.ReLU(inplace=True)]
            channels = outgoing
        self.features = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        self.classifier = _classifier((channels, *hidden, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits `(B, classes)` of images `(B, channels, height, width)`."""
        logits: torch.Tensor = self.classifier(self.flatten(self.features(x)))
        return logits


def vgg7(classes: int, in_channels: int = 3) -> VGG:
    """The VGG of seven convolutions for SVHN, inputs of `(in_channels, 32, 32)`.

    Daulbaev 2023, Applications of Differential Equations and Reduced-Order Modeling for Deep Learning, section
    5.4.3, names a published network with the widths and the unpadded last convolution of this one. There batch
    norms have no scale and no shift and dropout of 30 % follows each ReLU; here they are as in the other VGGs.

    Example:
        >>> sum(p.numel() for p in vgg7(classes=10).parameters())
        586154
    """
    return VGG(_VGG7, classes=classes, in_channels=in_channels)


def vgg16(classes: int, in_channels: int = 3) -> VGG:
    """VGG-16 with batch norm for inputs of `(in_channels, 32, 32)`.

    Example:
        >>> sum(p.numel() for p in vgg16(classes=10).parameters())
        14728266
    """
    return VGG(_VGG16, classes=classes, in_channels=in_channels)


def vgg16_3fc(classes: int, in_channels: int = 3) -> VGG:
    """VGG-16 with three linear layers 512 -> 512 -> 512 -> classes.

    Example:
        >>> sum(p.numel() for p in vgg16_3fc(classes=10).parameters())
        15253578
    """
    return VGG(_VGG16, classes=classes, in_channels=in_channels, hidden=_HIDDEN)


def vgg19(classes: int, in_channels: int = 3) -> VGG:
    """VGG-19 with batch norm for inputs of `(in_channels, 32, 32)`.

    Example:
        >>> sum(p.numel() for p in vgg19(classes=10).parameters())
        20040522
    """
    return VGG(_VGG19, classes=classes, in_channels=in_channels)


def vgg19_3fc(classes: int, in_channels: int = 3) -> VGG:
    """VGG-19 with three linear layers 512 -> 512 -> 512 -> classes.

    Example:
        >>> sum(p.numel() for p in vgg19_3fc(classes=10).parameters())
        20565834
    """
    return VGG(_VGG19, classes=classes, in_channels=in_channels, hidden=_HIDDEN)


def vgg_digits(classes: int, in_channels: int = 1) -> VGG:
    """A VGG of six convolutions for images of `(in_channels, 8, 8)`, trained in seconds.

    Example:
        >>> vgg_digits(classes=10)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    return VGG(_DIGITS, classes=classes, in_channels=in_channels)


def _classifier(widths: Sequence[int]) -> nn.Linear | nn.Sequential:
    """Linear layers between the widths with ReLU between them; a single one has no number in its name."""
    *hidden, last = (nn.Linear(incoming, outgoing) for incoming, outgoing in pairwise(widths))
    if not hidden:
        return last
    return nn.Sequential(*(module for layer in hidden for module in (layer, nn.ReLU(inplace=True))), last)
