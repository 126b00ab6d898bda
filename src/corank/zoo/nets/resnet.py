"""Residual networks for CIFAR: three stages of basic blocks with 16, 32 and 64 channels.

He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2: 6n + 2 weighted layers, n blocks a
stage, and shortcuts without parameters (option A): every second pixel is taken and the new channels are zero.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Subsample(nn.Module):
    """The shortcut without parameters into a stage of half the size: slice the pixels, pad the channels.

    Example:
        >>> Subsample(new_channels=2)(torch.ones(1, 3, 4, 4)).shape
        torch.Size([1, 5, 2, 2])
    """

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.before = new_channels // 2
        self.after = new_channels - self.before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images `(B, C, H, W)` as `(B, C + new_channels, H / 2, W / 2)`, the odd sizes rounded up."""
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


def plain_shortcut(in_channels: int, channels: int, stride: int) -> nn.Module:
    """The identity or, into a stage of half the size, the shortcut without parameters.

    Example:
        >>> plain_shortcut(16, 16, stride=1)
        Identity()
    """
    return nn.Identity() if stride == 1 else Subsample(channels - in_channels)


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, ReLU after the sum.

    Args:
        in_channels: channels of the input.
        channels: of the output.
        stride: of the first convolution.
        shortcut: by default the identity or, where the stride is more than one, the shortcut without parameters.

    Example:
        >>> Block(16, 32, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 32, 4, 4])
    """

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = shortcut or plain_shortcut(in_channels, channels, stride)
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`relu(branch(x) + shortcut(x))`."""
        inner = self.relu1(self.bn1(self.conv1(x)))
        output: torch.Tensor = self.relu2(self.bn2(self.conv2(inner)) + self.shortcut(x))
        return output


class ResNet(nn.Module):
    """The network of 6n + 2 weighted layers for inputs of `(in_channels, 32, 32)`.

    Args:
        blocks: n, the blocks of a stage.
        classes: how many logits.
        in_channels: channels of the input.

    Example:
        >>> sum(p.numel() for p in ResNet(blocks=3, classes=10).parameters())
        269722
    """

    def __init__(self, blocks: int, *, classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(16, 16, blocks)
        self.layer2 = _stage(16, 32, blocks)
        self.layer3 = _stage(32, 64, blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits `(B, classes)` of images `(B, channels, height, width)`."""
        features = self.layer3(self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x))))))
        logits: torch.Tensor = self.linear(self.flatten(self.pool(features)))
        return logits


def _stage(in_channels: int, channels: int, blocks: int) -> nn.Sequential:
    first = Block(in_channels, channels, stride=channels // in_channels)
    return nn.Sequential(first, *(Block(channels, channels, stride=1) for _ in range(blocks - 1)))
