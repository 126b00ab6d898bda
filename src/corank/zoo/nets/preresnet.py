"""Residual networks for CIFAR whose blocks begin with batch norm and ReLU, so that a clean sum runs through them.

He et al. 2016, Identity Mappings in Deep Residual Networks, section 4 and appendix: the shortcuts stay identities
(or those without parameters), nothing follows the sum, the first block takes the activation of the stem, and the
last sum is activated before the pooling. Depth and widths are those of `ResNet`, and so are the parameters, each
batch norm only standing elsewhere.
"""

from __future__ import annotations

import torch
from torch import nn

from corank.zoo.nets.resnet import plain_shortcut


class PreActivationBlock(nn.Module):
    """Batch norm, ReLU and a 3 x 3 convolution, twice, beside a shortcut.

    Args:
        in_channels: channels of the input.
        channels: of the output.
        stride: of the first convolution.
        is_activated: whether the input comes activated already, as in the first block of a network.

    Example:
        >>> PreActivationBlock(16, 32, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 32, 4, 4])
    """

    def __init__(self, in_channels: int, channels: int, stride: int, *, is_activated: bool = False) -> None:
        super().__init__()
        self.bn1 = nn.Identity() if is_activated else nn.BatchNorm2d(in_channels)
        self.relu1 = nn.Identity() if is_activated else nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut = plain_shortcut(in_channels, channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`branch(x) + shortcut(x)`."""
        inner = self.conv1(self.relu1(self.bn1(x)))
        output: torch.Tensor = self.conv2(self.relu2(self.bn2(inner))) + self.shortcut(x)
        return output


class PreActivationResNet(nn.Module):
    """The network of 6n + 2 weighted layers for inputs of `(in_channels, 32, 32)`.

    Args:
        blocks: n, the blocks of a stage.
        classes: how many logits.
        in_channels: channels of the input.

    Example:
        >>> sum(p.numel() for p in PreActivationResNet(blocks=3, classes=10).parameters())
        269722
    """

    def __init__(self, blocks: int, *, classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu1 = nn.ReLU(inplace=True)
        self.layer1 = _stage(PreActivationBlock(16, 16, 1, is_activated=True), 16, blocks)
        self.layer2 = _stage(PreActivationBlock(16, 32, 2), 32, blocks)
        self.layer3 = _stage(PreActivationBlock(32, 64, 2), 64, blocks)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu2 = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits `(B, classes)` of images `(B, channels, height, width)`."""
        features = self.layer1(self.relu1(self.bn1(self.conv1(x))))
        features = self.relu2(self.bn2(self.layer3(self.layer2(features))))
        logits: torch.Tensor = self.linear(self.flatten(self.pool(features)))
        return logits


def _stage(first: PreActivationBlock, channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(first, *(PreActivationBlock(channels, channels, 1) for _ in range(blocks - 1)))
