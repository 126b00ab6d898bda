"""Fully connected networks have the sizes of their papers and see an input as the vector of its numbers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn

from corank.errors import InputError
from corank.experiment import open_network
from corank.network import cut
from corank.zoo import build

NAMES = ("lenet_300_100", "lenet_500_300", "fcnn_lw")


def widths_of(network: nn.Module) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer in network.modules() if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize(
    ("name", "widths", "published"),
    [
        ("lenet_300_100", (784, 300, 100, 10), 266_610),  # Han et al. 2015, Learning both Weights and Connections: 267K
        ("lenet_500_300", (784, 500, 300, 10), None),
        ("fcnn_lw", (784, 20, 20, 20, 20, 20, 10), None),
    ],
)
def test_dense_networks_have_the_sizes_of_their_papers(
    name: str, widths: tuple[int, ...], published: int | None
) -> None:
    network = build(name, classes=10)
    layers = list(pairwise(widths))
    assert widths_of(network) == layers
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == sum((incoming + 1) * outgoing for incoming, outgoing in layers)
    assert published in (count, None)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_and_the_vector_of_its_pixels_are_the_same_input(name: str) -> None:
    image = torch.rand(4, 2, 3, 5)
    seeds = (torch.Generator().manual_seed(1) for _ in range(2))
    of_images, of_vectors = (build(name, classes=3, shape=s, generator=next(seeds)) for s in ((2, 3, 5), (30,)))
    assert torch.equal(of_images(image), of_vectors(image.flatten(1)))
    assert open_network(name, shape=(30,)).network(image.flatten(1)).shape == (4, 10)


@pytest.mark.parametrize(("name", "activation"), [("lenet_500_300", torch.relu), ("fcnn_lw", torch.tanh)])
def test_every_layer_but_the_last_has_its_activation(
    name: str, activation: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    network = build(name, classes=3, shape=(7,))
    *hidden, last = (layer for layer in network.modules() if isinstance(layer, nn.Linear))
    x = y = torch.randn(5, 7)
    for layer in hidden:
        y = activation(y @ layer.weight.T + layer.bias)
    # Sums of at most 500 products of order one, once in each order.
    assert torch.allclose(network(x), y @ last.weight.T + last.bias, rtol=1e-4, atol=1e-4)


def test_their_layers_have_names_and_no_numbers() -> None:
    network, x = build("lenet_300_100", classes=10).eval(), torch.rand(2, 1, 28, 28)
    assert cut(network, "relu1", x).shape == (300,)
    with pytest.raises(InputError, match="no convolutions"):
        cut(network, 1, x)
