"""Every name builds a network that works with every room, and chance comes only from where it should."""

from __future__ import annotations

import functools
import json
import re

import pytest
import torch
from torch import nn

from corank.cli import run
from corank.errors import InputError
from corank.network import GraphNetwork, capture, cost, cut
from corank.network.layers import Layers
from corank.zoo import build, input_shape, network_names

# One of each kind for what is slow; the others differ from them in their numbers of layers and units.
KINDS = ["fcnn_lw", "cnn_lw", "cnn_fc", "cnn4", "vgg7", "vgg16_3fc", "resnet18", "resnet20", "preresnet20"]
COUNTED = [*KINDS, "lenet_300_100", "lenet_500_300", "vgg19", "vgg_digits", "resnet50"]
CONVOLUTIONS = {"cnn4": 2, "cnn_lw": 2, "cnn_fc": 2, "vgg_digits": 6, "vgg7": 7, "fcnn_lw": 0}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def megabytes(network: nn.Module) -> str:
    return f"{4 * parameters(network) / 2**20:.2f}"


@functools.cache
def captured(name: str) -> tuple[nn.Module, GraphNetwork]:
    """A network in evaluation mode and its graph, shared by the tests that change neither."""
    network = build(name, classes=10, generator=torch.Generator().manual_seed(0)).eval()
    return network, capture(network, torch.zeros(2, *input_shape(name)))


@pytest.mark.parametrize(
    ("name", "classes", "storage"),
    [("vgg19", 10, "76.45"), ("vgg19", 100, "76.62"), ("resnet110", 10, "6.59"), ("resnet110", 100, "6.61")],
)
def test_storage_is_that_of_the_tables(name: str, classes: int, storage: str) -> None:
    """Cui et al. 2020, Active Subspace of Neural Networks, tables 1 to 5, in units of 2^20 bytes."""
    assert megabytes(build(name, classes=classes)) == storage


@pytest.mark.parametrize(
    ("name", "classes", "in_channels"),
    [*((name, 10, None) for name in network_names()), *((name, 3, 2) for name in KINDS)],
)
def test_logits_and_gradients_of_every_network(name: str, classes: int, in_channels: int | None) -> None:
    channels, height, width = input_shape(name)
    shape = (in_channels or channels, height, width)
    network = build(name, classes=classes, shape=shape if in_channels else None)
    logits = network(torch.rand(2, *shape))
    assert logits.shape == (2, classes)
    logits.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


@pytest.mark.parametrize("name", KINDS)
def test_the_generator_decides_the_weights_and_nothing_else_is_drawn(name: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        network = build(name, classes=10, generator=torch.Generator().manual_seed(seed))
        return torch.cat([weight.detach().flatten() for weight in network.parameters()])

    before = torch.get_rng_state()
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_generator_the_global_seed_decides() -> None:
    def weight(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return next(build("cnn4", classes=10).parameters()).detach()

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))


@pytest.mark.parametrize("name", KINDS)
def test_weights_fit_a_network_built_anew(name: str) -> None:
    network, _ = captured(name)
    again = build(name, classes=10).eval()
    again.load_state_dict(network.state_dict(), strict=True)
    x = torch.rand(1, *input_shape(name))
    with torch.no_grad():
        assert torch.equal(again(x), network(x))


# What the other rooms see


@pytest.mark.parametrize("name", COUNTED)
def test_convolutions_are_counted_as_in_the_name(name: str) -> None:
    """The n in a name counts weighted layers; one linear layer, or three, is no convolution."""
    _, graph = captured(name)
    layers = Layers(graph, input_shape(name))
    depth = int(re.sub(r"_3fc$|\D", "", name) or 0)
    linear = 1 if "resnet" in name else 3
    expected = CONVOLUTIONS[name] if name in CONVOLUTIONS else 0 if "lenet" in name else depth - linear
    assert len(layers.convolutions) == expected
    assert layers.legal_cuts
    assert len(layers.hidden) == sum(weight.ndim > 1 for weight in graph.state_dict().values()) - 1 - projections(name)


def projections(name: str) -> int:
    """Convolutions of shortcuts, which end where the main path does: one for each stage that changes the shape."""
    return {"resnet18": 3, "resnet50": 4}.get(name, 0)


@pytest.mark.parametrize("name", KINDS)
def test_the_two_halves_of_a_cut_are_the_network(name: str) -> None:
    network, graph = captured(name)
    layers = Layers(graph, input_shape(name))
    place = layers.point(layers.legal_cuts[len(layers.legal_cuts) // 2]).label
    x = torch.rand(1, *input_shape(name))
    halves = cut(graph, place, x)
    with torch.no_grad():
        assert torch.equal(halves.post(halves.pre(x)), network(x))


@pytest.mark.parametrize("name", network_names())
def test_costs_are_sums_over_the_layers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each output of a convolution or linear layer takes one multiply-add for each weight that it sees."""
    network = build(name, classes=10).eval()
    counted: list[int] = []

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        assert isinstance(module.weight, torch.Tensor)
        counted.append(output[0].numel() * module.weight[0].numel())

    hooks = [
        module.register_forward_hook(count) for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network(torch.zeros(1, *input_shape(name)))
    for hook in hooks:
        hook.remove()
    found = cost(network, input_shape(name))
    assert (found.parameters, found.multiply_adds) == (parameters(network), sum(counted))
    assert run(["cost", "--network", name, "--no-latency", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["network"]["parameters"] == found.parameters


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vgg91", {"classes": 10}, r"unknown network 'vgg91': did you mean vgg19"),
        ("cnn4", {"classes": 0}, "classes of cnn4 must be at least 1, got 0"),
        ("cnn4", {"classes": 2, "shape": (-1, 28, 28)}, r"input of cnn4 must be .* at least 1, got \(-1, 28, 28\)"),
        ("fcnn_lw", {"classes": 2, "shape": ()}, r"input of fcnn_lw must be .* got \(\)"),
        ("fcnn_lw", {"classes": 2, "shape": (0,)}, r"input of fcnn_lw must be .* got \(0,\)"),
        ("vgg16", {"classes": 2, "shape": (64,)}, r"vgg16 takes images .* got shape \(64,\): .* lenet_300_100"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, **options)
    with pytest.raises(InputError, match="unknown network 'vgg91'"):
        input_shape("vgg91")
