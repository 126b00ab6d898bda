"""Residual networks have the sizes and names of the paper, and shortcuts without parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.zoo import build
from corank.zoo.nets import Block, Subsample


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def resnet_parameters(depth: int, classes: int) -> int:
    """Convolutions without bias, two numbers a channel for each batch norm, a linear layer with bias."""
    blocks, count, incoming = (depth - 2) // 6, 9 * 3 * 16 + 2 * 16, 16
    for channels in (16, 32, 64):
        for _ in range(blocks):
            count += 9 * channels * (incoming + channels) + 4 * channels
            incoming = channels
    return count + (64 + 1) * classes


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_resnets_have_their_published_size(depth: int, millions: float, classes: int) -> None:
    count = parameters(build(f"resnet{depth}", classes=classes))
    assert count == resnet_parameters(depth, classes)
    if classes == 10:  # He et al. 2016, table 6, to the printed digits
        assert round(count / 1e6, 2 if millions < 1 else 1) == millions


def test_state_dict_names_of_resnet() -> None:
    expected = {"conv1.weight", "linear.weight", "linear.bias"}
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected |= {f"bn1.{part}" for part in norm}
    for place in (f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)):
        expected |= {f"{place}.conv{i}.weight" for i in (1, 2)}
        expected |= {f"{place}.bn{i}.{part}" for i in (1, 2) for part in norm}
    assert set(build("resnet20", classes=10).state_dict()) == expected


def test_the_shortcut_slices_pixels_and_pads_channels_with_zeros() -> None:
    x = torch.rand(2, 3, 6, 6)
    y = Subsample(new_channels=4)(x)
    assert torch.equal(y[:, 2:5], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 5:].any()


def test_a_block_whose_branch_is_zero_is_its_shortcut() -> None:
    x = torch.rand(2, 16, 8, 8)
    for block, shortcut in ((Block(16, 16, 1), x), (Block(16, 32, 2), Subsample(16)(x))):
        nn.init.zeros_(block.bn2.weight)
        assert torch.equal(block(x), shortcut)
