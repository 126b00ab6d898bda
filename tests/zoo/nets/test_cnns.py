"""The small convolutional networks for 28 x 28 pixels have the sizes, activations and places of their papers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from corank.network import capture
from corank.network.layers import Layers
from corank.zoo import build

CNN4 = [(20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500)]
CNN_LW = [(32, 1, 3, 3), (32, 32, 3, 3), (128, 800), (10, 128)]
CNN_FC = [(32, 1, 3, 3), (64, 32, 3, 3), (128, 9216), (10, 128)]


@pytest.mark.parametrize(
    ("name", "shapes", "published"),
    [
        ("cnn4", CNN4, 431_080),  # the LeNet-5 of Han et al. 2015, Learning both Weights and Connections: 431K
        ("cnn_lw", CNN_LW, None),
        ("cnn_fc", CNN_FC, 1_199_882),  # PyTorch's example for MNIST, which has these layers
    ],
)
def test_cnns_have_the_sizes_of_their_papers(name: str, shapes: list[tuple[int, ...]], published: int | None) -> None:
    network = build(name, classes=10)
    assert [tuple(weight.shape) for weight in network.state_dict().values() if weight.ndim > 1] == shapes
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == sum(torch.Size(shape).numel() + shape[0] for shape in shapes)
    assert published in (count, None)


@pytest.mark.parametrize(
    ("name", "features"),
    [("cnn4", (20 * 12 * 12, 800)), ("cnn_lw", (32 * 13 * 13, 800)), ("cnn_fc", (32 * 26 * 26, 9216))],
)
def test_a_convolution_ends_after_its_pooling(name: str, features: tuple[int, int]) -> None:
    layers = Layers(capture(build(name, classes=10), torch.zeros(2, 1, 28, 28)), (1, 28, 28))
    found = [layers.shapes[layers.node(layers.convolution(number))] for number in (1, 2)]
    assert tuple(torch.Size(shape or ()).numel() for shape in found) == features


@pytest.mark.parametrize(
    ("name", "activation", "is_pooled"),
    [("cnn4", torch.relu, (True, True)), ("cnn_lw", torch.tanh, (True, True)), ("cnn_fc", torch.relu, (False, True))],
)
def test_cnns_compute_what_their_papers_say(
    name: str, activation: Callable[[torch.Tensor], torch.Tensor], is_pooled: tuple[bool, bool]
) -> None:
    network, x = build(name, classes=10).eval(), torch.rand(3, 1, 28, 28)
    one, two, three, four = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    y = x
    for layer, pooled in zip((one, two), is_pooled, strict=True):
        y = activation(functional.conv2d(y, layer.weight, layer.bias))
        y = functional.max_pool2d(y, 2) if pooled else y
    y = activation(functional.linear(y.flatten(1), three.weight, three.bias))
    assert torch.equal(network(x), functional.linear(y, four.weight, four.bias))


def test_dropout_is_that_of_the_paper_and_off_in_evaluation() -> None:
    network = build("cnn_fc", classes=10)
    x = torch.rand(2, 1, 28, 28)
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [0.25, 0.5]
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
