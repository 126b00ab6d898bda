"""ResNet-18 and ResNet-50 have their published sizes, the stem for 32 x 32 and shortcuts that are counted right."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from corank.network import cost
from corank.zoo import build
from corank.zoo.nets import Bottleneck


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def basic(incoming: int, channels: int) -> int:
    """Two 3 x 3 convolutions, two batch norms, and where the width changes a 1 x 1 with its batch norm."""
    shortcut = 0 if incoming == channels else (incoming + 2) * channels
    return 9 * channels * (incoming + channels) + 4 * channels + shortcut


def bottleneck(incoming: int, channels: int) -> int:
    """1 x 1 into the channels, 3 x 3, 1 x 1 into four times as many, three batch norms, and the same shortcut."""
    shortcut = 0 if incoming == 4 * channels else (incoming + 2) * 4 * channels
    return channels * (incoming + 9 * channels + 4 * channels) + (1 + 1 + 4) * 2 * channels + shortcut


def four_stages(blocks: tuple[int, ...], expansion: int, classes: int) -> int:
    count, incoming = 9 * 3 * 64 + 2 * 64, 64
    for channels, repeats in zip((64, 128, 256, 512), blocks, strict=True):
        for _ in range(repeats):
            count += basic(incoming, channels) if expansion == 1 else bottleneck(incoming, channels)
            incoming = expansion * channels
    return count + (incoming + 1) * classes


@pytest.mark.parametrize(
    ("name", "blocks", "expansion", "published", "millions"),
    [("resnet18", (2, 2, 2, 2), 1, 11_173_962, 557), ("resnet50", (3, 4, 6, 3), 4, 23_520_842, 1_310)],
)
def test_resnets_have_their_published_size(
    name: str, blocks: tuple[int, ...], expansion: int, published: int, millions: int
) -> None:
    """Sun et al. 2024, NeuralFuse, table 7, for CIFAR-10; its multiply-adds are under 1 % more than ours."""
    counted = cost(build(name, classes=10), (3, 32, 32))
    assert counted.parameters == published == four_stages(blocks, expansion, 10)
    assert counted.multiply_adds_millions == pytest.approx(millions, rel=0.01)
    assert parameters(build(name, classes=20)) == four_stages(blocks, expansion, 20)


@pytest.mark.parametrize(
    ("name", "features"), [("resnet18", (16_384, 8_192, 512)), ("resnet50", (65_536, 32_768, 2_048))]
)
def test_features_around_the_last_stage(name: str, features: tuple[int, ...]) -> None:
    """Sanyal et al. 2020, section 4: 16,384 before the fourth stage of ResNet-18, 512 and 2,048 before the logits."""
    network, found = build(name, classes=10).eval(), []
    for place in ("layer3", "layer4", "flatten"):
        network.get_submodule(place).register_forward_hook(lambda _, __, output: found.append(output.numel()))
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    assert tuple(found) == features


def test_state_dict_names_of_resnet18() -> None:
    """Shortcuts with weights stand only where a stage halves the image."""
    names = set(build("resnet18", classes=10).state_dict())
    shortcuts = {name.partition(".shortcut.")[0] for name in names if ".shortcut." in name}
    assert shortcuts == {"layer2.0", "layer3.0", "layer4.0"}
    assert {"conv1.weight", "bn1.weight", "layer4.1.conv2.weight", "layer2.0.shortcut.0.weight"} <= names
    assert {name.split(".")[0] for name in names} == {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "linear"}


@pytest.mark.parametrize(("incoming", "stride"), [(16, 1), (8, 1), (16, 2)])
def test_a_bottleneck_whose_branch_is_zero_is_its_rectified_shortcut(incoming: int, stride: int) -> None:
    block, x = Bottleneck(incoming, 4, stride), torch.randn(2, incoming, 6, 6)
    nn.init.zeros_(block.bn3.weight)
    shortcut = x
    if (incoming, stride) != (16, 1):
        convolution, norm = block.shortcut  # type: ignore[misc]
        pixels = x[:, :, ::stride, ::stride]
        shortcut = norm(torch.einsum("bihw,oi->bohw", pixels, convolution.weight[:, :, 0, 0]))
    assert torch.allclose(block(x), shortcut.clamp(min=0), atol=1e-5)
