"""Pre-activation networks: a clean sum runs through all blocks, and the size is that of the original networks."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from corank.zoo import build
from corank.zoo.nets import PreActivationBlock, PreActivationResNet


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def preresnet_parameters(depth: int, classes: int) -> int:
    """Convolutions without bias; batch norms before each but the first, and before the pooling."""
    widths = [channels for channels in (16, 32, 64) for _ in range((depth - 2) // 6)]
    before = [16, *(width for width in widths for _ in range(2))]
    convolutions = [(3, 16), *((i, o) for i, o in pairwise(before))]
    return sum(9 * i * o for i, o in convolutions) + sum(2 * width for width in before) + 65 * classes


@pytest.mark.parametrize(("depth", "published"), [(20, "0.3"), (110, "1.7")])
def test_preresnets_have_their_published_size(depth: int, published: str) -> None:
    """Millions as in Zagoruyko and Komodakis 2016, Wide Residual Networks, table 4, for depth 110."""
    count = parameters(build(f"preresnet{depth}", classes=10))
    assert count == preresnet_parameters(depth, 10) == parameters(build(f"resnet{depth}", classes=10))
    assert f"{count / 1e6:.1f}" == published


def test_blocks_whose_branches_are_zero_leave_the_sum_alone() -> None:
    """Signs too, which a ReLU after the sum would take away."""
    x = torch.randn(2, 16, 8, 8)
    for block in (PreActivationBlock(16, 16, 1), PreActivationBlock(16, 16, 1, is_activated=True)):
        nn.init.zeros_(block.conv2.weight)
        assert torch.equal(block(x), x)
    wider = PreActivationBlock(16, 32, 2)
    nn.init.zeros_(wider.conv2.weight)
    assert torch.equal(wider(x)[:, 8:24], x[:, :, ::2, ::2])
    assert not wider(x)[:, :8].any()


@pytest.mark.parametrize("is_activated", [False, True])
def test_a_block_is_norm_rectifier_convolution_twice(is_activated: bool) -> None:
    block, x = PreActivationBlock(4, 4, 1, is_activated=is_activated).eval(), torch.randn(3, 4, 5, 5)
    scale = (1 + block.bn2.eps) ** -0.5  # of a batch norm that has seen nothing
    start = x if is_activated else (x * scale).clamp(min=0)
    inner = (nn.functional.conv2d(start, block.conv1.weight, padding=1) * scale).clamp(min=0)
    expected = x + nn.functional.conv2d(inner, block.conv2.weight, padding=1)
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_only_the_first_block_takes_the_activation_of_the_stem() -> None:
    network = PreActivationResNet(blocks=2, classes=3)
    blocks = [(name, module) for name, module in network.named_modules() if isinstance(module, PreActivationBlock)]
    assert [name for name, block in blocks if not list(block.bn1.parameters())] == ["layer1.0"]
