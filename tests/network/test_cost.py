from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import Cost, GraphNetwork, capture, cost, cut
from corank.zoo.nets import ResNet, vgg19

from .architectures import BUILDERS, build

IMAGE = (3, 32, 32)


def reference(name: str, classes: int) -> nn.Module:
    return vgg19(classes) if name == "vgg19" else ResNet(18, classes=classes)


@cache
def graph_of(name: str) -> GraphNetwork:
    """With any number of classes: what lies before a cut does not depend on it."""
    return capture(reference(name, 10), torch.zeros(2, *IMAGE))


@pytest.mark.parametrize(
    ("name", "classes", "layer", "storage_mb", "multiply_adds_millions"),
    [
        ("vgg19", 10, None, 76.45, 398.14),
        ("vgg19", 10, 5, 2.12, 115.02),
        ("vgg19", 10, 6, 4.38, 152.76),
        ("vgg19", 10, 7, 6.63, 190.51),
        ("vgg19", 100, None, 76.62, 398.18),
        ("vgg19", 100, 7, 6.63, None),
        ("vgg19", 100, 8, 8.88, None),
        ("vgg19", 100, 9, 13.39, None),
        ("resnet110", 10, None, 6.59, 252.89),
        ("resnet110", 10, 61, 1.15, 140.82),
        ("resnet110", 10, 67, 1.37, 154.98),
        ("resnet110", 10, 73, 1.58, 169.13),
        ("resnet110", 100, None, 6.61, None),
        ("resnet110", 100, 75, 1.79, None),
        ("resnet110", 100, 81, 2.64, None),
        ("resnet110", 100, 87, 3.48, None),
    ],
)
def test_the_papers_numbers_come_out_to_the_printed_digit(
    name: str, classes: int, layer: int | None, storage_mb: float, multiply_adds_millions: float | None
) -> None:
    """Cui et al. 2020, tables 1 to 5."""
    whole = layer is None
    network = reference(name, classes) if whole else cut(graph_of(name), layer, torch.zeros(2, *IMAGE)).pre
    found = cost(network, IMAGE)
    assert round(found.storage_mb, 2) == storage_mb
    if multiply_adds_millions is not None:
        assert round(found.multiply_adds_millions, 2) == multiply_adds_millions


def attention(width: int, feedforward: int, length: int) -> int:
    """Projections to queries, keys, values and out of them; scores and their use; two linear layers."""
    return length * (4 * width**2 + 2 * width * feedforward) + 2 * length**2 * width


@pytest.mark.parametrize(
    ("network", "shape", "parameters", "multiply_adds"),
    [
        (nn.Conv2d(2, 3, 3, padding=1), (2, 5, 4), 57, 20 * 3 * 2 * 9),
        (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), (4, 8, 8), 108, 16 * 6 * 2 * 9),
        (nn.Conv1d(2, 3, 5), (2, 9), 33, 5 * 3 * 2 * 5),
        (nn.ConvTranspose2d(2, 3, 2, stride=2), (2, 4, 4), 27, 16 * 2 * 3 * 4),
        (nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)), (6,), 57, 40),
        (nn.Linear(6, 5), (7, 6), 35, 7 * 30),
        (nn.LSTM(3, 5, batch_first=True), (7, 3), 200, 7 * 4 * (3 * 5 + 5 * 5)),
        (nn.GRU(3, 5, batch_first=True), (7, 3), 150, 7 * 3 * (3 * 5 + 5 * 5)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (6, 8), 600, attention(8, 16, 6)),
        (nn.MaxPool2d(2), (1, 4, 4), 0, 0),
    ],
)
def test_costs_are_those_counted_by_hand(
    network: nn.Module, shape: tuple[int, ...], parameters: int, multiply_adds: int
) -> None:
    for trained in (True, False):  # attention is fused where nothing is trained
        network.requires_grad_(trained)
        found = cost(network, shape)
        assert (found.parameters, found.multiply_adds) == (parameters, multiply_adds)
        assert found.storage_bytes == 4 * parameters


@pytest.mark.parametrize("name", list(BUILDERS))
def test_a_graph_costs_as_much_as_its_network(name: str) -> None:
    architecture = build(name)
    example = architecture.batch(2)
    graph = capture(architecture.network, example)
    assert cost(graph, architecture.shape, example.dtype) == cost(
        architecture.network, architecture.shape, example.dtype
    )


def test_double_precision_takes_twice_the_storage() -> None:
    found = cost(build("vgg", torch.float64).network, (2, 8, 8), torch.float64)
    assert found.storage_bytes == 8 * found.parameters
    assert found.multiply_adds == cost(build("vgg").network, (2, 8, 8)).multiply_adds


def test_a_tensor_with_two_names_is_counted_once() -> None:
    network = build("tied").network
    assert cost(network, (6,)).parameters == 6 * 4 + 4 + 4 * 4
    assert cost(network, (6,)).multiply_adds == 6 * 4 + 4 * 4 + 4 * 6


class Restless(nn.Module):
    """Its control flow depends on values, and every pass leaves something behind."""

    def __init__(self, looks: bool) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 3), nn.BatchNorm1d(3)
        self.register_buffer("passes", torch.zeros(()))
        self.register_buffer("total", torch.zeros(()))
        self.last: Tensor | None = None
        self.looks = looks

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.layer(x))
        if self.looks and x.sum() > 1e9:
            return x
        self.last = x
        self.passes += 1
        self.total = self.total + 1
        return x * 2


@pytest.mark.parametrize("looks", [True, False])
def test_the_network_is_left_as_it_was_also_where_it_cannot_be_captured(looks: bool) -> None:
    network = Restless(looks)
    before = {name: (id(value), value.clone()) for name, value in network.state_dict(keep_vars=True).items()}
    assert cost(network, (4,)).multiply_adds == 12
    for name, value in network.state_dict(keep_vars=True).items():
        assert (id(value), value.tolist()) == (before[name][0], before[name][1].tolist()), name
    assert network.last is None
    assert network.training
    assert network.norm.training


def test_switches_of_the_process_are_left_as_they_were() -> None:
    switches = (torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled, torch.is_grad_enabled())
    with pytest.raises(InputError):
        cost(nn.Linear(4, 3), (5,))
    assert switches == (
        torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled, torch.is_grad_enabled()
    )  # fmt: skip


def test_a_sample_that_the_network_does_not_take_is_named() -> None:
    with pytest.raises(InputError, match=r"Linear cannot run on a torch.float32 sample of shape \(5,\)"):
        cost(nn.Linear(4, 3), (5,))


def test_costs_add_and_become_a_row() -> None:
    total = cost(nn.Linear(4, 3), (4,)) + cost(nn.Linear(3, 2), (3,))
    assert total == Cost(parameters=23, storage_bytes=92, multiply_adds=18)
    assert total.to_dict() == {"parameters": 23, "storage_mb": 92 / 2**20, "multiply_adds_millions": 1.8e-5}
