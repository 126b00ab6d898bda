from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn

from corank.errors import InputError
from corank.network import Layers, capture

from .architectures import BUILDERS, captured


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("cnn4", ["pool1", "pool2"]),
        ("functional", ["max_pool2d", "max_pool2d_1"]),
        ("vgg", ["features.2", "features.6", "features.10", "features.14"]),
        ("resnet", ["relu", *(f"layer{s}.0.relu{n}" for s in (1, 2, 3) for n in (1, 2))]),
        ("depthwise", ["1", "4", "7"]),
        ("preactivation", ["relu", "relu_1", "1", "relu_3", "2"]),
        (
            "bottleneck",
            ["stem", "block1.relu@0", "block1.relu@1", "block1", "block2.relu@0", "block2.relu@1", "block2"],
        ),
        ("mlp", []),
    ],
)
def test_a_number_counts_convolutions_with_what_directly_follows_and_without_1x1_shortcuts(
    name: str, labels: list[str]
) -> None:
    layers = captured(name).layers
    points = [layers.convolution(number + 1) for number in range(len(labels))]
    assert [point.label for point in points] == labels
    assert [point.index for point in points] == list(range(1, len(labels) + 1))
    assert len(layers.convolutions) == len(labels)
    for wrong in (0, -1, len(labels) + 1):
        with pytest.raises(InputError, match=f"layer {wrong} is not in the network"):
            layers.resolve(wrong)


@pytest.mark.parametrize("name", list(BUILDERS))
def test_a_points_label_names_the_point(name: str) -> None:
    layers = captured(name).layers
    for node in layers.nodes:
        if layers.shapes[node] is not None:
            point = layers.point(node)
            assert layers.resolve(point.label) == [point]
            assert layers.node(point) is node


@pytest.mark.parametrize("name", list(BUILDERS))
def test_hidden_layers_are_those_with_weights_on_which_later_ones_depend(name: str) -> None:
    found = captured(name)
    hidden = found.layers.hidden
    assert len({point.label for point in hidden}) == len(hidden) > 0
    logits = found.layers.point(found.graph.output_node)
    assert logits not in hidden
    assert found.layers.resolve("*") == hidden


class NamesADevice(nn.Module):
    """Operations that say on which device their result lies, by a keyword and by a place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.to(x.device, torch.float64).float())
        return self.last(x * torch.arange(3, device=x.device))


def test_shapes_are_those_of_the_values_also_where_operations_name_a_device() -> None:
    graph = capture(NamesADevice(), torch.zeros(2, 4))
    found: dict[fx.Node, tuple[int, ...]] = {}

    class Computed(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Tensor:
            value: Tensor = super().run_node(n)
            found[n] = tuple(value.shape)
            return value

    Computed(graph).run(torch.zeros(2, 4))
    shapes = Layers(graph, (4,)).shapes
    assert {"to", "arange", "linear_1"} <= {node.name for node in shapes}
    of_samples = {node: shape for node, shape in shapes.items() if shape is not None}
    assert of_samples == {node: found[node][1:] for node in of_samples}
    assert len(of_samples) >= 5


class IndexesByMask(nn.Module):
    """A shape that nobody knows without the numbers: the entries where a mask is true."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(3, 2)
        self.register_buffer("mask", torch.tensor([True, False, True, True, False, False]))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.first(x))[:, self.mask])


def test_shapes_that_depend_on_numbers_are_found_by_computing() -> None:
    layers = Layers(capture(IndexesByMask().eval(), torch.zeros(2, 4)), (4,))
    assert [point.label for point in layers.resolve("*")] == ["relu"]
    found = {node.name: shape for node, shape in layers.shapes.items()}
    assert [found[name] for name in ("relu", "index", "linear_1")] == [(6,), (3,), (2,)]


def test_globs_match_every_call_of_the_modules() -> None:
    layers = captured("shared").layers
    assert [point.label for point in layers.resolve("l*")] == ["l@0", "l@1", "l@2", "last"]
    assert [point.label for point in captured("vgg").layers.resolve("features.[0-2]")] == [
        f"features.{n}" for n in range(3)
    ]


class SizesApart(nn.Module):
    """A module reads the batch size, and another one after it reads the same."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Rows(), Rows()
        self.last = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x)))


class Rows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x.view(x.size(0), -1))


def test_a_module_that_reads_a_size_can_be_named() -> None:
    example = torch.zeros(2, 2, 2)
    layers = Layers(capture(SizesApart(), example), (2, 2))
    assert [point.label for name in ("first", "second") for point in layers.resolve(name)] == ["first", "second"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("features.17", "no layer 'features.17' in the network: did you mean features.7, features.1"),
        ("zzz", "no layer 'zzz' in the network: known: features, features.0"),
        ("zzz*", r"no layer matches 'zzz\*'"),
        ("features.2@1", "no layer 'features.2@1' in the network"),
    ],
)
def test_unknown_names_list_near_ones(layer: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        captured("vgg").layers.resolve(layer)
