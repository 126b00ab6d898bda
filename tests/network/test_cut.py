from __future__ import annotations

import copy
from dataclasses import dataclass
from math import prod

import pytest
import torch
from torch import nn

from corank.errors import InputError
from corank.network import Layers, Normalised, capture, cut
from corank.network.cut import Cut
from corank.network.layers import is_size
from corank.zoo.nets import ResNet, vgg19

from .architectures import BUILDERS, Architecture, build, captured


def parameter_names(network: nn.Module) -> set[str]:
    return {name for name, _ in network.named_parameters()}


def storages(network: nn.Module) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}


@dataclass(frozen=True)
class Sliced:
    """An architecture, its points and its halves at every legal cut."""

    architecture: Architecture
    layers: Layers
    cuts: list[Cut]


@pytest.fixture(scope="module", params=list(BUILDERS))
def sliced(request: pytest.FixtureRequest) -> Sliced:
    found = captured(request.param)
    labels = [found.layers.point(node).label for node in found.layers.legal_cuts]
    assert len(set(labels)) == len(labels) >= 4
    cuts = [cut(found.graph, label, found.architecture.batch(2)) for label in labels]
    return Sliced(found.architecture, found.layers, cuts)


def test_halves_after_each_other_are_the_whole_bit_for_bit_at_every_legal_cut(sliced: Sliced) -> None:
    architecture = sliced.architecture
    for size in (1, 5):
        x = architecture.batch(size)
        whole = architecture.network(x)
        for halves in sliced.cuts:
            middle = halves.pre(x)
            assert middle.shape == (size, *halves.shape)
            assert halves.features == middle[0].numel()
            assert torch.equal(halves.post(middle), whole), halves.point


def test_halves_share_nothing_with_the_caller_and_hold_only_what_they_use(sliced: Sliced) -> None:
    network = sliced.architecture.network
    whole = dict(network.state_dict())
    for halves in sliced.cuts:
        assert not storages(network) & (storages(halves.pre) | storages(halves.post))
        assert not storages(halves.pre) & storages(halves.post)
        for half in (halves.pre, halves.post):
            used = {node.target for node in half.graph.nodes if node.op == "get_attr"}
            assert used == set(half.state_dict()), halves.point
            assert all(node.users for node in half.graph.nodes if node.op not in ("placeholder", "output"))
            for name, value in half.state_dict().items():
                assert torch.equal(value, whole[name])


def test_every_parameter_is_in_one_half_unless_it_is_used_in_both(sliced: Sliced) -> None:
    name, network = sliced.architecture.name, sliced.architecture.network
    shared = {"shared": {"l"}, "nested_shared": {"a", "block.0"}, "tied": {"encode"}}.get(name, set())
    for halves in sliced.cuts:
        both = parameter_names(halves.pre) & parameter_names(halves.post)
        assert {parameter.rpartition(".")[0] for parameter in both} <= shared, halves.point
        assert parameter_names(halves.pre) | parameter_names(halves.post) == parameter_names(network)
        if not both:
            counts = [sum(p.numel() for p in part.parameters()) for part in (halves.pre, halves.post, network)]
            assert counts[0] + counts[1] == counts[2]


def test_illegal_cuts_name_the_nearest_legal_ones(sliced: Sliced) -> None:
    layers, example = sliced.layers, sliced.architecture.batch(2)
    place = {layers.point(node).label: number for number, node in enumerate(layers.nodes)}
    legal = [halves.point for halves in sliced.cuts]
    illegal = [node for node in layers.nodes if layers.shapes[node] is not None and node not in layers.legal_cuts]
    for node in illegal[:: 1 + len(illegal) // 6]:
        label = layers.point(node).label
        with pytest.raises(InputError, match="the nearest legal cut") as caught:
            cut(layers.network, label, example)
        message = str(caught.value)
        assert repr(label) in message
        assert "\n" not in message
        named = {text.partition(" (layer")[0] for text in message.rpartition(" cuts are ")[2].split(" and ")}
        modules = [point.label for point in legal if point.call is not None]
        before = [other for other in modules if place[other] < place[label]][-1:]
        assert named == {*before, *[other for other in modules if place[other] > place[label]][:1]}


def test_a_cut_at_a_call_of_a_shared_module() -> None:
    architecture = build("shared")
    halves = cut(architecture.network, "l@1", architecture.batch(2))
    x = architecture.batch(3)
    first, shared = architecture.network.first, architecture.network.l
    assert torch.equal(halves.pre(x), shared(torch.tanh(shared(torch.tanh(first(x))))))
    with pytest.raises(InputError, match="'l' is called 3 times: name one of l@0, l@1, l@2"):
        cut(architecture.network, "l", architecture.batch(2))


def test_random_operations_of_the_tail_do_not_keep_it_alive() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 2))
    assert parameter_names(cut(net, "1", torch.zeros(2, 4)).pre) == {"0.weight", "0.bias"}


def test_names_resolve_inside_a_normalising_wrapper() -> None:
    net = Normalised(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)), [0.5, 0.1], [2.0, 1.0])
    halves = cut(net, "1", torch.zeros(2, 2))
    assert set(halves.pre.state_dict()) == {"mean", "std", "network.0.weight", "network.0.bias"}
    assert set(halves.post.state_dict()) == {"network.2.weight", "network.2.bias"}


def test_a_half_can_be_cut_again() -> None:
    architecture = build("resnet")
    outer = cut(architecture.network, 5, architecture.batch(2))
    inner = cut(outer.pre, 3, architecture.batch(2))
    x = architecture.batch(3)
    assert inner.point.label == "layer1.0.relu2"
    assert torch.equal(outer.post(inner.post(inner.pre(x))), architecture.network(x))


def test_halves_of_a_network_in_training_mode_compute_in_evaluation_mode() -> None:
    architecture = build("vgg")
    x = architecture.batch(5)
    expected = architecture.network(x)
    graph = capture(architecture.network, x).train()
    architecture.network.train()
    for network in (architecture.network, graph):
        halves = cut(network, 2, x)
        assert torch.equal(halves.post(halves.pre(x)), expected)
        assert not halves.pre.training
        assert network.training


def test_the_numbers_of_the_convolutions_are_those_of_the_papers() -> None:
    x = torch.zeros(2, 3, 32, 32)
    graph = capture(vgg19(classes=10), x)
    features = [cut(graph, number, x).features for number in (4, 5, 6, 7, 8, 9, 16)]
    assert features == [8192, 16384, 16384, 16384, 4096, 8192, 512]


def test_whole_residual_blocks_are_cut_and_halves_of_them_are_not() -> None:
    x = torch.zeros(2, 3, 32, 32)
    graph = capture(ResNet(18, classes=10), x)
    layers = Layers(graph, (3, 32, 32))
    shapes = [layers.shapes[node] for node in layers.convolutions]
    features = {number: prod(shapes[number - 1] or ()) for number in (61, 67, 73, 75, 81, 87)}
    assert features == {61: 8192, 67: 8192, 73: 8192, 75: 4096, 81: 4096, 87: 4096}
    assert len(layers.convolutions) == 109
    legal = [number for number in range(1, 110) if layers.convolutions[number - 1] in layers.legal_cuts]
    assert legal == list(range(1, 110, 2))
    message = r"the nearest legal cuts are layer2.11.relu2 \(layer 61\) and layer2.12.relu2 \(layer 63\)"
    with pytest.raises(InputError, match=message):
        cut(graph, 62, x)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (0, "layer 0 is not in the network: expected a number from 1 to 4"),
        (5, "layer 5 is not in the network: expected a number from 1 to 4"),
        ("features.99", "no layer 'features.99' in the network: did you mean features.9"),
        ("nothing*", "no layer matches 'nothing.'"),
        ("features.[01]", "a cut needs one layer, 'features.\\[01\\]' names 2"),
        ("classifier", "layer 'classifier' cannot be cut"),
    ],
)
def test_wrong_layers_are_named(layer: int | str, message: str) -> None:
    architecture = build("vgg")
    with pytest.raises(InputError, match=message):
        cut(architecture.network, layer, architecture.batch(2))


def test_a_layer_that_returns_no_batch_of_tensors_is_told_apart_from_an_unknown_one() -> None:
    architecture = build("batch_sizes")
    with pytest.raises(InputError, match="'word' must be one tensor with the batch first"):
        cut(architecture.network, "word", architecture.batch(2))


def test_a_size_read_from_a_value_before_the_cut_is_read_from_the_cut() -> None:
    architecture = build("batch_sizes")
    graph = copy.deepcopy(capture(architecture.network, architecture.batch(2)))
    size = next(node for node in graph.graph.nodes if is_size(node))
    convolution = next(node for node in graph.graph.nodes if node.name == "conv2d")
    with graph.graph.inserting_after(convolution):
        size.replace_all_uses_with(graph.graph.call_function(size.target, (convolution, 0)))
    graph.graph.erase_node(size)
    graph.recompile()
    halves, x = cut(graph, "view", architecture.batch(2)), architecture.batch(5)
    assert torch.equal(halves.post(halves.pre(x)), architecture.network(x))
    assert parameter_names(halves.post) == {"word.weight", "word.bias", "last.weight", "last.bias"}
