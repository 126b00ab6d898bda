"""A graph as a network of modules is the same network, and stays one where its modules are narrowed."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from corank.network import GraphNetwork, capture, load_graph, save_graph
from corank.network.modular import Modular, with_modules, without_fixed_widths

from .architectures import BUILDERS, captured

NAMES = list(BUILDERS)


def in_mode(network: nn.Module, is_training: bool, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Outputs, with the same chance, and all tensors behind them; the network itself stays as it is."""
    used = copy.deepcopy(network).train(is_training)
    torch.manual_seed(1)
    return used(x).detach(), {name: value.detach() for name, value in used.state_dict().items()}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_running_statistics_agree_bit_for_bit(name: str) -> None:
    graph, x = captured(name).graph, captured(name).architecture.batch(5)
    modular = with_modules(graph)
    places = {f"{held.path}.{own}": target for held in modular.held for own, target in held.tensors.items()}
    for is_training in (False, True):
        expected, after = in_mode(graph, is_training, x)
        found, state = in_mode(modular, is_training, x)
        assert torch.equal(found, expected)
        assert state.keys() == {next((p for p, t in places.items() if t == name), name) for name in after}
        assert all(torch.equal(value, after[places.get(place, place)]) for place, value in state.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_way_back_is_the_graph(name: str, tmp_path: Path) -> None:
    graph, x = captured(name).graph, captured(name).architecture.batch(5)
    again = with_modules(graph).as_graph()
    assert isinstance(again, GraphNetwork)
    assert [(node.name, node.meta) for node in again.graph.nodes] == [(n.name, n.meta) for n in graph.graph.nodes]
    assert dict(again.named_parameters()).keys() == dict(graph.named_parameters()).keys()
    assert all(value is dict(graph.named_parameters())[key] for key, value in again.named_parameters())
    save_graph(again, tmp_path)
    assert torch.equal(load_graph(tmp_path)(x), graph(x))


def kinds(modular: Modular) -> dict[str, str]:
    return {held.path: type(modular.layer(held)).__name__ for held in modular.held}


def test_layers_become_modules_where_their_tensors_lie() -> None:
    modular = with_modules(captured("unet").graph)
    assert kinds(modular) == {
        "down1": "Conv2d", "down2": "Conv2d", "up": "ConvTranspose2d", "out": "Conv2d", "last": "Conv2d",
    }  # fmt: skip
    up = modular.get_submodule("up")
    assert (up.in_channels, up.out_channels, up.kernel_size, up.stride) == (4, 3, (2, 2), (2, 2))


def test_a_module_that_is_called_again_is_one_module_and_tied_tensors_stay_tensors() -> None:
    assert kinds(with_modules(captured("shared").graph)) == {"first": "Linear", "l": "Linear", "last": "Linear"}
    assert [len(held.nodes) for held in with_modules(captured("shared").graph).held] == [1, 3, 1]
    assert kinds(with_modules(captured("tied").graph)) == {}


class Named(nn.Module):
    """A layer whose tensors have names of their own, and one whose invented name is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(3, 4))
        self.layer_linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer_linear(nn.functional.linear(x, self.kernel))


def test_a_layer_of_other_names_is_told_by_a_map() -> None:
    x = torch.randn(5, 4)
    for network in (Named(), nn.Linear(4, 3)):
        graph = capture(network, x)
        modular = with_modules(graph)
        assert torch.equal(modular(x), network(x))
        assert modular.as_graph().state_dict().keys() == graph.state_dict().keys()
    assert {held.path: dict(held.tensors) for held in modular.held} == {
        "layer_linear": {"weight": "weight", "bias": "bias"}
    }


def test_narrowed_modules_give_a_narrower_graph(tmp_path: Path) -> None:
    graph, x = captured("depthwise").graph, captured("depthwise").architecture.batch(3)
    modular = with_modules(graph)
    kept = torch.tensor([0, 2, 3])
    first, depthwise, norm, last = (modular.get_submodule(path) for path in ("0", "2", "3", "5"))
    for module, names in ((first, ["weight", "bias"]), (depthwise, ["weight"]), (norm, ["weight", "bias"])):
        for name in names:
            setattr(module, name, nn.Parameter(getattr(module, name).detach()[kept]))
    norm.running_mean, norm.running_var = norm.running_mean[kept], norm.running_var[kept]
    last.weight = nn.Parameter(last.weight.detach()[:, kept])
    depthwise.groups = 3
    small = modular.as_graph()
    save_graph(small, tmp_path)
    assert torch.equal(small(x), modular(x))
    assert torch.equal(load_graph(tmp_path)(x), modular(x))
    whole = with_modules(graph)
    whole.get_submodule("5").register_forward_pre_hook(lambda _, inputs: inputs[0].index_fill(1, torch.tensor([1]), 0))
    torch.testing.assert_close(small(x), whole(x))  # the channel that is gone is one that nothing reads
    assert graph.get_parameter("0.weight").shape[0] == 4


def test_a_copy_shares_nothing_and_keeps_its_mode() -> None:
    modular = with_modules(captured("vgg").graph).train()
    twin = copy.deepcopy(modular)
    assert twin.training
    assert kinds(twin) == kinds(modular)
    pairs = zip(twin.state_dict().items(), modular.state_dict().items(), strict=True)
    for (name, one), (other_name, other) in pairs:
        assert name == other_name
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()


class Views(nn.Module):
    """Rows of fixed length, and a gate that is unfolded to channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.gate = nn.Linear(4, 4)
        self.last = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        gate = self.gate(x.mean((2, 3)).view(-1, 4)).view(x.size(0), 4, 1, 1)
        return self.last((x * gate).reshape(-1, 16))


def test_views_take_the_widths_that_come() -> None:
    network, x = Views(), torch.randn(5, 2, 4, 4)
    graph = capture(network, x)
    free = without_fixed_widths(graph, x)
    assert torch.equal(free(x), network(x))
    modular = with_modules(free)
    conv, gate, last = (modular.get_submodule(path) for path in ("conv", "gate", "last"))
    conv.weight, conv.bias = nn.Parameter(conv.weight[:3]), nn.Parameter(conv.bias[:3])
    gate.weight, gate.bias = nn.Parameter(gate.weight[:3, :3]), nn.Parameter(gate.bias[:3])
    last.weight = nn.Parameter(last.weight[:, :12])
    assert modular(x).shape == (5, 3)
    with torch.no_grad():  # the fourth channel of the whole network plays no part
        network.gate.weight[:, 3] = 0
        network.last.weight[:, 12:] = 0
    torch.testing.assert_close(modular.as_graph()(x), network(x))


@pytest.mark.parametrize("name", NAMES)
def test_without_fixed_widths_nothing_else_changes(name: str) -> None:
    graph, architecture = captured(name).graph, captured(name).architecture
    free = without_fixed_widths(graph, architecture.batch(2))
    for size in (1, 2, 5):
        assert torch.equal(free(architecture.batch(size)), graph(architecture.batch(size)))
