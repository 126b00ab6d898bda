"""The residual networks of four stages that were made for ImageNet, with a stem for images of 32 x 32.

He et al. 2016, Deep Residual Learning for Image Recognition, table 1: ResNet-18 of basic blocks and ResNet-50 of
bottlenecks, shortcuts with 1 x 1 convolutions where the shape changes (option B). The stem used for CIFAR is one
3 x 3 convolution with 64 channels and no pooling, so that ResNet-18 has 16,384 features before its fourth stage
(Sanyal et al. 2020, Robustness via Deep Low-Rank Representations, section 4). A bottleneck halves the image in its
3 x 3 convolution, as became usual, and not in the first 1 x 1; neither parameters nor features depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from corank.zoo.nets.resnet import Block

MakeBlock = Callable[[int, int, int], nn.Module]
"""Channels of the input and of the stage, and the stride, to a block."""


class Bottleneck(nn.Module):
    """Convolutions 1 x 1, 3 x 3 and 1 x 1 beside a shortcut, ReLU after the sum; the output is four times as wide.

    Args:
        in_channels: channels of the input.
        channels: of the 3 x 3 convolution.
        stride: of the 3 x 3 convolution.

    Example:
        >>> Bottleneck(64, 32, stride=2)(torch.zeros(1, 64, 8, 8)).shape
        torch.Size([1, 128, 4, 4])
    """

    EXPANSION = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        outgoing = self.EXPANSION * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(channels, outgoing, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outgoing)
        self.shortcut = _shortcut(in_channels, outgoing, stride)
        self.relu3 = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`relu(branch(x) + shortcut(x))`."""
        inner = self.relu1(self.bn1(self.conv1(x)))
        inner = self.relu2(self.bn2(self.conv2(inner)))
        output: torch.Tensor = self.relu3(self.bn3(self.conv3(inner)) + self.shortcut(x))
        return output


class FourStageResNet(nn.Module):
    """Stages of 64, 128, 256 and 512 channels for inputs of `(in_channels, 32, 32)`.

    Args:
        make_block: what a stage is made of.
        blocks: how many a stage.
        expansion: channels of a block's output for each channel of its stage.
        classes: how many logits.
        in_channels: channels of the input.

    Example:
        >>> network = FourStageResNet(Bottleneck, (1, 1, 1, 1), expansion=4, classes=3)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self, make_block: MakeBlock, blocks: Sequence[int], *, expansion: int, classes: int, in_channels: int = 3
    ) -> None:
        super().__init__()
        one, two, three, four = blocks
        self.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(make_block, 64, 64, one, expansion, stride=1)
        self.layer2 = _stage(make_block, 64 * expansion, 128, two, expansion, stride=2)
        self.layer3 = _stage(make_block, 128 * expansion, 256, three, expansion, stride=2)
        self.layer4 = _stage(make_block, 256 * expansion, 512, four, expansion, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(512 * expansion, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits `(B, classes)` of images `(B, channels, height, width)`."""
        features = self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x)))))
        features = self.layer4(self.layer3(features))
        logits: torch.Tensor = self.linear(self.flatten(self.pool(features)))
        return logits


def resnet18(classes: int, in_channels: int = 3) -> FourStageResNet:
    """ResNet-18 for inputs of `(in_channels, 32, 32)`.

    Example:
        >>> sum(p.numel() for p in resnet18(classes=10).parameters())
        11173962
    """
    return FourStageResNet(_basic_block, (2, 2, 2, 2), expansion=1, classes=classes, in_channels=in_channels)


def resnet50(classes: int, in_channels: int = 3) -> FourStageResNet:
    """ResNet-50 for inputs of `(in_channels, 32, 32)`.

    Example:
        >>> sum(p.numel() for p in resnet50(classes=10).parameters())
        23520842
    """
    expansion = Bottleneck.EXPANSION
    return FourStageResNet(Bottleneck, (3, 4, 6, 3), expansion=expansion, classes=classes, in_channels=in_channels)


def _basic_block(in_channels: int, channels: int, stride: int) -> Block:
    return Block(in_channels, channels, stride, _shortcut(in_channels, channels, stride))


def _shortcut(in_channels: int, channels: int, stride: int) -> nn.Module:
    """The identity where the shape stays, else a 1 x 1 convolution with batch norm."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    convolution = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels))


def _stage(
    make_block: MakeBlock, in_channels: int, channels: int, blocks: int, expansion: int, stride: int
) -> nn.Sequential:
    first = make_block(in_channels, channels, stride)
    return nn.Sequential(first, *(make_block(expansion * channels, channels, 1) for _ in range(blocks - 1)))
