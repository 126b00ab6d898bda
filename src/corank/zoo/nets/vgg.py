"""VGG networks for small images: 3 x 3 convolutions with batch norm, then one linear layer.

Simonyan and Zisserman 2015, Very Deep Convolutional Networks, table 1, column E (`vgg19`), in the shape used
for CIFAR: five poolings bring 32 x 32 to 1 x 1 and one linear layer 512 -> classes replaces the three of the
paper. Convolutions keep their biases, so that a batch norm is followed by nothing but ReLU and pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

Pool = Literal["pool"]
Plan = Sequence[int | Pool]

_VGG19: Plan = (
    *(64, 64, "pool"),
    *(128, 128, "pool"),
    *(256, 256, 256, 256, "pool"),
    *(512, 512, 512, 512, "pool"),
    *(512, 512, 512, 512, "pool"),
)
_DIGITS: Plan = (32, 32, "pool", 64, 64, "pool", 128, 128, "pool")


class VGG(nn.Module):
    """`features` (convolution, batch norm, ReLU, pooling in this order), then `classifier`.

    Args:
        plan: the channels of the convolutions in order, with "pool" for a 2 x 2 max-pooling; after the last
            pooling one pixel must be left.
        classes: how many logits.
        in_channels: channels of the input.

    Example:
        >>> VGG((4, "pool"), classes=3, in_channels=1)(torch.zeros(5, 1, 2, 2)).shape
        torch.Size([5, 3])
    """

    def __init__(self, plan: Plan, *, classes: int, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for step in plan:
            if step == "pool":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, step, 3, padding=1), nn.BatchNorm2d(step), nn.ReLU(inplace=True)]
            channels = step
        self.features = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits `(B, classes)` of images `(B, channels, height, width)`."""
        logits: torch.Tensor = self.classifier(self.flatten(self.features(x)))
        return logits


def vgg19(classes: int, in_channels: int = 3) -> VGG:
    """VGG-19 with batch norm for inputs of `(in_channels, 32, 32)`.

    Example:
        >>> sum(p.numel() for p in vgg19(classes=10).parameters())
        20040522
    """
    return VGG(_VGG19, classes=classes, in_channels=in_channels)


def vgg_digits(classes: int, in_channels: int = 1) -> VGG:
    """A VGG of six convolutions for images of `(in_channels, 8, 8)`, trained in seconds.

    Example:
        >>> vgg_digits(classes=10)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    return VGG(_DIGITS, classes=classes, in_channels=in_channels)
