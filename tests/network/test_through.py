from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corank.network import Adapted, Reader, Skipped, capture, weighted_layers
from corank.network.guard import unchanged

from .architectures import build, captured
from .other_inputs import cases
from .test_weighted import unrolled

CHAIN = nn.Sequential(
    nn.Conv2d(2, 4, 3, padding=1, stride=2),
    nn.ReLU(inplace=True),
    nn.ConvTranspose2d(4, 2, 2, groups=2),
    nn.Conv2d(2, 3, 3, padding=2, dilation=2, groups=1, bias=False),
    nn.Flatten(2),
    nn.Linear(16, 5),
    nn.Flatten(),
    nn.Linear(15, 3),
).double()


@pytest.mark.parametrize("is_graph", [False, True])
def test_the_norms_are_those_of_the_explicit_matrices(is_graph: bool) -> None:
    x = 1e3 * torch.randn(4, 2, 6, 6, dtype=torch.float64) + 10
    network = capture(CHAIN, x) if is_graph else CHAIN
    reader = Reader(network, [], x, through=True)
    found = reader.read(x).through
    phi, layers = x, {layer.name: layer for layer in weighted_layers(network)}
    assert list(found) == list(layers) == ["0", "2", "3", "5", "7"]
    for number, module in enumerate(CHAIN):
        call = found.get(str(number))
        if call is not None:
            shape = tuple(phi.shape[1:])
            matrix = unrolled(module, shape)
            assert (call.name, call.input_shape) == (str(number), shape)
            assert torch.allclose(call.norm_in, phi.flatten(1).norm(dim=1), rtol=1e-12)
            assert torch.allclose(call.norm_out, (phi.flatten(1) @ matrix.T).norm(dim=1), rtol=1e-10)
            bound = layers[call.name].norm_unrolled(shape)
            assert bool((call.norm_out <= bound * call.norm_in).all())
        phi = module(phi.clone())
    assert reader.unwatched == ()


KINDS = ["shared", "nested_shared", "tied", "unet", "vision_transformer", "bottleneck", "batch_sizes", "normalised"]


@pytest.mark.parametrize("name", KINDS)
def test_the_graph_and_the_network_give_the_same_norms_beside_points_or_alone(name: str) -> None:
    found = captured(name, torch.float64)
    net, x = found.architecture.network, found.architecture.batch(3)
    alone = Reader(net, [], x, through=True).read(x).through
    reader = Reader(net, "*", x, through=True)
    with unchanged(net):
        beside = reader.read(x, lambda logits: logits.flatten(1).sum(1)).through
    graph = Reader(found.graph, "*", x, through=True).read(x).through
    assert list(alone) == list(beside)
    assert set(graph) == set(alone)
    for label, call in alone.items():
        assert len(call.norm_in) == 3
        for other in (beside[label], graph[label]):
            assert (other.name, other.input_shape) == (call.name, call.input_shape)
            assert torch.allclose(other.norm_in, call.norm_in, rtol=1e-10)
            assert torch.allclose(other.norm_out, call.norm_out, rtol=1e-10)
    watched = {call.name for call in alone.values()}
    assert watched | {left.layer for left in reader.unwatched} == {layer.name for layer in reader.weights}
    assert not watched & {left.layer for left in reader.unwatched}


def test_calls_of_a_shared_layer_are_numbered_and_attention_is_watched_by_the_graph() -> None:
    shared = build("shared")
    calls = Reader(shared.network, [], shared.batch(2), through=True).read(shared.batch(3)).through
    assert list(calls) == ["first", "l@0", "l@1", "l@2", "last"]
    assert {call.name for call in calls.values()} == {"first", "l", "last"}
    text = build("text_transformer")
    reader = Reader(text.network, [], text.batch(2), through=True)
    x = text.batch(3)
    call = reader.read(x).through["encoder.layers.0.self_attn.in_proj_weight"]
    phi = text.network.embed(x) + text.network.position
    assert call.input_shape == (5, 8)
    assert torch.allclose(call.norm_in, phi.flatten(1).norm(dim=1))
    mapped = phi @ text.network.encoder.layers[0].self_attn.in_proj_weight.T
    assert torch.allclose(call.norm_out, mapped.flatten(1).norm(dim=1))
    assert set(reader.unwatched) == {
        Skipped("embed", "embedding: it is not known how it is applied"),
        *(Skipped(f"encoder.layers.{n}.self_attn.out_proj", "its rows are not the samples") for n in (0, 1)),
    }


class TimeFirst(nn.Module):
    """A linear layer sees as many steps as the example has samples, the steps first."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(x.transpose(0, 1)).transpose(0, 1)[:, 0])


def test_the_batch_may_be_another_dimension_than_the_first() -> None:
    net, x = TimeFirst(), torch.randn(4, 2, 3)
    call = Reader(net, [], x, through=True).read(x).through["layer"]
    assert call.input_shape == (2, 3)
    assert torch.allclose(call.norm_in, x.flatten(1).norm(dim=1))
    assert torch.allclose(call.norm_out, (x @ net.layer.weight.T).flatten(1).norm(dim=1))


def test_rows_that_are_no_samples_have_no_norms() -> None:
    found = build("batch_sizes")
    reader = Reader(found.network, [], found.batch(2), through=True)
    assert list(reader.read(found.batch(3)).through) == ["conv", "last"]
    assert reader.unwatched == (Skipped("word", "its rows are not the samples"),)


def test_layers_of_a_network_without_a_graph_are_watched() -> None:
    case = cases()["encoder"]
    reader = Reader(case.network, [], case.batch(2), through=True)
    x = case.batch(3)
    calls = reader.read(x).through
    assert list(calls) == [
        *(f"blocks.{n}.{name}" for n in (0, 1) for name in ("wide", "narrow")), "pooler", "classifier"]  # fmt: skip
    logits = Adapted(case.network)(x)
    assert torch.allclose(calls["classifier"].norm_out, (logits - case.network.classifier.bias).norm(dim=1), rtol=1e-12)
    reasons = {left.layer: left.reason for left in reader.unwatched}
    assert reasons["unused"] == "it did not run as a layer of its own"
    assert reasons["blocks.0.attention.in_proj_weight"] == "attention: it is not known how it is applied"


class Lora(nn.Linear):
    """More than its weight maps the input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x


def test_a_layer_that_does_more_than_its_weight_is_watched_in_the_graph_and_not_as_a_module() -> None:
    net, x = nn.Sequential(Lora(3, 3), nn.Linear(3, 2)), torch.randn(4, 3)
    reader = Reader(net, "*", x, through=True)
    assert torch.allclose(reader.read(x).through["0"].norm_out, (x @ net[0].weight.T).norm(dim=1))

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.net(x + y)

    assert list(Reader(Two(), [], (x, x), through=True).read((x, x)).through) == ["net.1"]
