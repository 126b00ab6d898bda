from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.network import Reader, Skipped

from .architectures import build, captured
from .test_reader import assert_close, loss


class Sequences(nn.Module):
    """A recurrent layer whose sequence comes first, a layer beside the logits, one that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.lstm = nn.LSTM(4, 4)
        self.aside = nn.Linear(4, 4)
        self.idle = nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        y = self.lstm(x.transpose(0, 1))[0].transpose(0, 1) + x
        self.aside(y)
        return self.last(self.attention(y, x, x)[0][:, 0])


def test_hidden_layers_with_weights_that_have_no_point_are_listed_with_the_reason() -> None:
    x = torch.randn(2, 5, 3)
    reader = Reader(Sequences(), "*", x)
    assert set(reader.skipped) == {
        Skipped("lstm", "its output has not the batch first"),
        Skipped("aside", "the logits do not depend on it"),
        Skipped("idle", "it did not run on the example"),
    }
    assert [point.label for point in reader.points] == ["tanh", "attention"]
    assert Reader(Sequences(), "[ai]*", x).skipped == tuple(
        left for left in reader.skipped if left.layer in ("aside", "idle")
    )
    assert Reader(Sequences(), "first", x).skipped == ()


class Pairs(nn.Module):
    """The second part of what a module returns is used."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs, self.last = Pair(), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.pairs(x)[1])


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, x * 2


def test_a_module_that_returns_several_tensors_is_the_one_that_leaves_it() -> None:
    net, x = Pairs(), torch.randn(4, 3)
    reading = Reader(net, "pairs", x).read(x, lambda logits: logits.sum(1))
    assert torch.equal(reading.activations["pairs"], 2 * x)
    assert torch.allclose(reading.gradients["pairs"], net.last.weight.sum(0).expand(4, 3))


def test_module_points_are_read_from_the_network_itself_with_its_in_place_operations() -> None:
    found, wanted = captured("in_place"), ["conv1", "relu1", "conv2", "elu"]
    architecture, x = found.architecture, found.architecture.batch(3)
    reader = Reader(architecture.network, wanted, architecture.batch(2))
    assert reader.network is architecture.network
    values, gradients = reader.activations(x), reader.gradients(x, loss)
    for label, gradient in Reader(found.graph, wanted, x).gradients(x, loss).items():
        assert_close(gradients[label], gradient, 1e-5)
    assert torch.equal(values["conv1"], architecture.network.conv1(x))
    assert (values["conv1"] < 0).any()
    assert torch.equal(values["relu1"], torch.relu(values["conv1"]))
    assert torch.equal(values["elu"], functional.elu(values["conv2"]))


def test_star_is_every_hidden_layer_with_weights_and_never_the_logits() -> None:
    labels = {
        "mlp": ["1", "3"],
        "functional": ["max_pool2d", "max_pool2d_1", "tanh"],
        "vgg": ["features.2", "features.6", "features.10", "features.14"],
        "recurrent": ["lstm", "gru"],
        "last_state": ["before.1", "cat", "head.1"],
        "cnn4": ["pool1", "pool2", "relu3"],
    }
    for name, expected in labels.items():
        found = Reader(captured(name).graph, "*", captured(name).architecture.batch(2)).points
        assert [point.label for point in found] == expected


def test_numbers_names_and_globs_name_the_same_points_once() -> None:
    architecture = build("vgg")
    reader = Reader(architecture.network, [1, "features.2", "features.[26]", 2], architecture.batch(2))
    assert [(point.label, point.index) for point in reader.points] == [("features.2", 1), ("features.6", 2)]


def test_a_second_name_of_a_module_is_the_call_under_that_name() -> None:
    architecture = build("nested_shared")
    net, x = architecture.network, architecture.batch(3)
    values = Reader(net, ["a", "b", "block@1"], architecture.batch(2)).activations(x)
    assert torch.equal(values["a"], net.a(x))
    assert torch.equal(values["block@1"], net.block(net.block(net.a(x))))
    assert torch.equal(values["b"], net.a(values["block@1"]))


class Namesakes(nn.Module):
    """A module is called `relu`, and so is an operation before it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(3, 3), nn.Linear(3, 2), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(torch.relu(self.first(x)))) * 2.0


def test_an_operation_with_the_name_of_a_module_has_parentheses() -> None:
    net, x = Namesakes(), torch.randn(4, 3)
    values = Reader(net, ["*", "relu"], x).activations(x)
    assert list(values) == ["relu()", "relu"]
    assert torch.equal(values["relu()"], torch.relu(net.first(x)))
    assert torch.equal(values["relu"] * 2, net(x))
