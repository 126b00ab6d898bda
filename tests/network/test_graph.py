from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from corank.errors import InputError
from corank.network import GraphNetwork, Layers, capture, evaluation_mode
from corank.network.graph import _plain_graph, assemble

from .architectures import BUILDERS, Captured, build, captured


@pytest.fixture(params=list(BUILDERS))
def found(request: pytest.FixtureRequest) -> Captured:
    return captured(request.param)


def test_a_graph_computes_what_the_network_computes_and_shares_its_tensors(found: Captured) -> None:
    architecture, graph = found.architecture, found.graph
    for size in (1, 2, 7):
        x = architecture.batch(size)
        assert torch.equal(graph(x), architecture.network(x))
    own = dict(architecture.network.named_parameters(remove_duplicate=False))
    assert dict(graph.named_parameters()).keys() <= own.keys()
    assert all(parameter is own[name] for name, parameter in graph.named_parameters())
    assert {id(p) for p in graph.parameters()} == {id(p) for p in architecture.network.parameters()}


def test_state_dict_names_are_the_networks_without_counters(found: Captured) -> None:
    names = {name for name in found.architecture.network.state_dict() if not name.endswith("num_batches_tracked")}
    doubles = {"nested_shared": {"b.weight", "b.bias"}, "tied": {"middle.bias"}}
    missing = names - set(found.graph.state_dict())
    assert missing <= doubles.get(found.architecture.name, set())
    assert set(found.graph.state_dict()) <= names


def test_a_deep_copy_is_independent(found: Captured) -> None:
    twin, x = copy.deepcopy(found.graph), found.architecture.batch(3)
    expected = found.graph(x)
    assert torch.equal(twin(x), expected)
    with torch.no_grad():
        for tensor in twin.state_dict().values():
            tensor.zero_()
    assert torch.equal(found.graph(x), expected)
    assert not torch.equal(twin(x), expected)
    points = [[point.label for point in Layers(graph, found.architecture.shape, x.dtype).hidden]
              for graph in (twin, found.graph)]  # fmt: skip
    assert points[0] == points[1]


def everything(momentum: float = 0.1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, momentum=momentum), nn.ReLU(inplace=True), nn.Dropout(0.3),
        nn.Dropout2d(0.2), nn.InstanceNorm2d(4, affine=True, track_running_stats=True), nn.RReLU(),
        nn.Flatten(), nn.Linear(36, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.AlphaDropout(0.1),
        nn.Linear(8, 3),
    )  # fmt: skip


@pytest.mark.parametrize("inside", [True, False])
def test_training_mode_is_that_of_the_network(inside: bool) -> None:
    """The same chance gives the same outputs, gradients and running statistics, also inside another module."""
    net = everything(momentum=0.3).train()
    x = torch.randn(4, 2, 5, 5)
    graph = copy.deepcopy(capture(net, x))
    (nn.Sequential(graph) if inside else graph).train()
    for _ in range(3):
        outputs = []
        for network in (net, graph):
            torch.manual_seed(1)
            outputs.append(network(x))
            network.zero_grad()
            outputs[-1].square().sum().backward()
        assert torch.equal(*outputs)
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter.grad, graph.get_parameter(name).grad), name
    for name, buffer in net.named_buffers():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(buffer, graph.get_buffer(name)), name
    assert torch.equal(graph.eval()(x), net.eval()(x))


def test_a_copy_of_a_graph_in_training_mode_is_in_training_mode() -> None:
    net = everything()
    x = torch.randn(4, 2, 5, 5)
    graph = capture(net, x).train()
    twin = copy.deepcopy(graph)
    assert twin.training
    outputs = []
    for network in (graph, twin):
        torch.manual_seed(2)
        outputs.append(network(x))
    assert torch.equal(*outputs)


def test_evaluation_mode_ends_with_every_mode_as_it_was_also_after_an_error() -> None:
    inner = capture(everything(), torch.zeros(2, 2, 5, 5)).train()
    net = nn.Sequential(nn.Sequential(nn.Dropout(), inner), nn.BatchNorm1d(3)).train()
    net[1].eval()
    modes = {name: module.training for name, module in net.named_modules()}
    x = torch.randn(4, 2, 5, 5)
    torch.manual_seed(0)
    expected = net(x)

    def fail() -> None:
        with evaluation_mode(net):
            assert not any(module.training for module in net.modules())
            assert torch.equal(net(x), net(x))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert {name: module.training for name, module in net.named_modules()} == modes
    torch.manual_seed(0)
    assert torch.equal(net(x), expected)  # the dropout is on again, and batch norms use the batch


def test_a_graph_moves_to_double_precision() -> None:
    architecture = build("bottleneck")
    graph = copy.deepcopy(capture(architecture.network, architecture.batch(2))).double()
    assert {tensor.dtype for tensor in graph.state_dict().values()} == {torch.float64}
    x = architecture.batch(3)
    assert torch.equal(graph(x.double()), architecture.network.double()(x.double()))


def test_capturing_a_graph_gives_the_graph_itself() -> None:
    found = captured("mlp")
    assert capture(found.graph, found.architecture.batch(2)) is found.graph


class Stashing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.layer(x)
        return self.last * 2


def test_capturing_leaves_the_network_as_it_was() -> None:
    net = nn.Sequential(Stashing(), nn.Dropout(), nn.BatchNorm1d(3))
    net[1].eval()
    before = {name: (id(value), value.tolist()) for name, value in net.state_dict(keep_vars=True).items()}
    capture(net, torch.randn(4, 4))
    assert before == {name: (id(value), value.tolist()) for name, value in net.state_dict(keep_vars=True).items()}
    assert [module.training for module in net.modules()] == [True, True, True, False, True]
    assert net[0].last is None


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_the_batch_size_of_the_example_does_not_matter(size: int) -> None:
    """Also where it equals another dimension of the input."""
    architecture = build("vision_transformer")
    graph = capture(architecture.network, architecture.batch(size))
    for other in (1, 2, 8):
        x = architecture.batch(other)
        assert torch.equal(graph(x), architecture.network(x))


class Changing(nn.Module):
    """Memory that is read under one name after it was changed under another."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.layer, self.way = nn.Linear(4, 4), way
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        if self.way == "view":
            x.view(-1).relu_()
        elif self.way == "slice":
            x[:, 0] = 0.0
        elif self.way == "split":
            left, right = x.chunk(2, 1)
            x.relu_()
            return left + right
        elif self.way == "dropout":
            return functional.relu_(functional.dropout(x, 0.5, self.training)) + x
        elif self.way == "counter":
            self.calls += 1
        return x * 2


@pytest.mark.parametrize("way", ["view", "slice", "split", "dropout", "counter"])
def test_changes_in_place_that_reach_other_names_are_refused(way: str) -> None:
    with pytest.raises(InputError, match="changes a tensor in place that is read elsewhere"):
        capture(Changing(way).requires_grad_(False), torch.randn(3, 4))


class Chain(nn.Module):
    """In-place operations one after another, on a view whose base is not read again, and on a dropout's output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.dropout = nn.Dropout(0.5, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        y = x.view(-1, 2, 2)
        y.add_(1.0).mul_(2.0)
        y += y.clone().sigmoid_()
        z = self.dropout(y).clamp_(min=0.5)
        return z.flatten(1) - z.mean((1, 2))[:, None]


def test_chains_of_in_place_operations_become_functions() -> None:
    net = Chain().eval()
    x = torch.randn(5, 4)
    graph = capture(net, x)
    assert torch.equal(graph(x), net(x))
    assert not any(node.target._schema.is_mutable for node in graph.graph.nodes
                   if isinstance(node.target, torch._ops.OpOverload))  # fmt: skip


def test_later_readers_of_a_changed_tensor_read_the_change() -> None:
    aten, written = torch.ops.aten, fx.Graph()
    x = written.placeholder("x")
    y = written.call_function(aten.mul.Tensor, (x, 2.0))
    written.call_function(aten.relu_.default, (y,))
    z = written.call_function(aten.add.Tensor, (y, 1.0))
    written.output((z,))
    graph, tensors = _plain_graph(fx.GraphModule({}, written), z, prefix="")
    values = torch.tensor([[-1.0, 3.0]])
    assert torch.equal(assemble(tensors, graph)(values), torch.relu(2 * values) + 1)


class Looking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Two(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, x - 1


class Listed(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"output": x + 1, "aside": x}


@pytest.mark.parametrize(
    ("network", "example", "message"),
    [
        (Looking(), torch.zeros(2, 3), "Looking cannot be captured as a graph"),
        (Two(), torch.zeros(2, 3), "must map one tensor to one tensor, got 1 inputs and 2 outputs"),
        (Listed(), torch.zeros(2, 3), "must map one tensor to one tensor, got 1 inputs and 2 outputs"),
        (nn.Linear(3, 2), torch.zeros(2, 4), "Linear cannot be captured as a graph"),
        (nn.Linear(3, 2), torch.zeros(0, 3), r"must be a batch of inputs, got a tensor of shape \(0, 3\)"),
        (nn.Linear(3, 2), torch.tensor(1.0), r"must be a batch of inputs, got a tensor of shape \(\)"),
    ],
)
def test_networks_without_a_graph_are_named(network: nn.Module, example: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        capture(network, example)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["only", "logits"])
def test_a_dictionary_gives_its_logits_or_its_only_tensor(name: str) -> None:
    class Listing(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {**({} if name == "only" else {"aside": x}), name: x + 1}

    x = torch.randn(3, 2)
    assert torch.equal(capture(Listing(), x)(x), x + 1)


def test_a_graph_is_a_module_with_parameters_that_train() -> None:
    graph = copy.deepcopy(captured("mlp").graph)
    assert isinstance(graph, GraphNetwork)
    x = captured("mlp").architecture.batch(8)
    optimiser = torch.optim.SGD(graph.parameters(), lr=0.05)
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        value = graph(x).square().mean()
        value.backward()
        optimiser.step()
        losses.append(float(value.detach()))
    assert losses == sorted(losses, reverse=True)


def test_a_graph_prints_its_layers_and_not_its_code() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5))
    graph = capture(network.eval(), torch.zeros(2, 2, 6, 6))
    count = sum(parameter.numel() for parameter in network.parameters())
    shown = [f"GraphNetwork of {count} parameters", "  0: conv2d (3, 2, 3, 3)", "  4: linear (5, 48)"]
    assert str(graph).splitlines() == repr(graph).splitlines() == shown
    deep = capture(nn.Sequential(*(nn.Linear(3, 3) for _ in range(40))), torch.zeros(2, 3))
    lines = str(deep).splitlines()
    assert (len(lines), lines[11], lines[-1]) == (22, "  ... 20 more ...", "  39: linear (3, 3)")


def test_every_architecture_prints_briefly(found: Captured) -> None:
    assert 1 < len(str(found.graph).splitlines()) <= 22
