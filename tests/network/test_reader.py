from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from corank.errors import InputError
from corank.network import GraphNetwork, Reader, capture

from .architectures import BUILDERS, Architecture, build, captured


def loss(logits: Tensor) -> Tensor:
    """A smooth loss, one number a sample, the same for every sample."""
    flat = logits.flatten(1)
    return torch.logsumexp(flat, 1) - flat[:, 0] + (flat**2).sum(1)


class Recorder(fx.Interpreter):
    """Computes a graph and keeps every value; one value can be replaced."""

    def __init__(self, graph: GraphNetwork, replaced: dict[str, Tensor] | None = None) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.replaced = replaced or {}
        self.values: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = self.replaced.get(n.name)
        value = super().run_node(n) if value is None else value
        is_point = n.op == "call_function" and isinstance(value, Tensor) and value.is_floating_point()
        if is_point and not value.requires_grad:
            value = value.detach().requires_grad_()  # a constant made on the way is a point, too
        self.values[n.name] = value
        return value


@dataclass(frozen=True)
class Read:
    """An architecture in double precision read at all its points, whose operations `nodes` has by label."""

    architecture: Architecture
    graph: GraphNetwork
    nodes: dict[str, str]
    reader: Reader


@pytest.fixture(scope="module", params=list(BUILDERS))
def read(request: pytest.FixtureRequest) -> Read:
    found = captured(request.param, torch.float64)
    nodes = [node for node in found.layers.nodes if found.layers.shapes[node] is not None]
    recorder = Recorder(found.graph)
    recorder.run(found.architecture.batch(2))
    nodes = [node for node in nodes if recorder.values[node.name].is_floating_point()]
    named = {found.layers.point(node).label: node.name for node in nodes}
    assert len(named) == len(nodes)
    reader = Reader(found.architecture.network, list(named), found.architecture.batch(2))
    return Read(found.architecture, found.graph, named, reader)


def one_at_a_time(graph: GraphNetwork, nodes: list[str], x: Tensor) -> dict[str, Tensor]:
    rows: dict[str, list[Tensor]] = {node: [] for node in nodes}
    for sample in x:
        recorder = Recorder(graph)
        single = sample[None].clone().requires_grad_(x.is_floating_point())
        value = loss(recorder.run(single)).sum()
        found = torch.autograd.grad(value, [recorder.values[node] for node in nodes])
        for node, gradient in zip(nodes, found, strict=True):
            rows[node].append(gradient)
    return {node: torch.cat(gradients) for node, gradients in rows.items()}


def assert_close(one: Tensor, other: Tensor, relative: float) -> None:
    """Equal up to a share of the largest entry: the rounding of sums in another order."""
    assert one.shape == other.shape
    assert (one - other).abs().max() <= relative * other.abs().max(), (one - other).abs().max()


def test_gradients_at_every_point_are_those_of_one_sample_at_a_time(read: Read) -> None:
    x = read.architecture.batch(4)
    found = read.reader.gradients(x, loss)
    expected = one_at_a_time(read.graph, list(read.nodes.values()), x)
    assert list(found) == list(read.nodes)
    for label, gradient in found.items():
        assert_close(gradient, expected[read.nodes[label]], 1e-8)


def test_gradients_are_central_differences(read: Read) -> None:
    x, generator = read.architecture.batch(2), torch.Generator().manual_seed(0)
    gradients, values = read.reader.gradients(x, loss), read.reader.activations(x)
    step = 1e-6  # the error is step^2 of the third derivative, and rounding / step: both below 1e-7 here
    for label, gradient in gradients.items():
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        direction *= values[label] != 0  # zeros after a ReLU tie in a max-pooling, which has no slope there
        shifted = []
        for sign in (1, -1):
            moved = {read.nodes[label]: values[label] + sign * step * direction}
            shifted.append(loss(Recorder(read.graph, moved).run(x)))
        slope = (shifted[0] - shifted[1]) / (2 * step)
        assert torch.allclose(slope, (gradient * direction).flatten(1).sum(1), rtol=1e-5, atol=1e-6), label


def test_activations_are_the_values_at_the_points(read: Read) -> None:
    x = read.architecture.batch(3)
    recorder = Recorder(read.graph)
    recorder.run(x)
    for label, value in read.reader.activations(x).items():
        assert torch.equal(value, recorder.values[read.nodes[label]]), label


def test_points_read_from_the_network_together_or_alone_are_those_of_the_graph(read: Read) -> None:
    network, x, example = read.architecture.network, read.architecture.batch(3), read.architecture.batch(2)
    gradients, values = read.reader.gradients(x, loss), read.reader.activations(x)
    hidden = [point.label for point in Reader(read.graph, "*", example).points]
    assert hidden
    for wanted in ("*", hidden[0], hidden[len(hidden) // 2]):
        reader = Reader(network, wanted, example)
        assert [point.label for point in reader.points] == (hidden if wanted == "*" else [wanted])
        for label, gradient in reader.gradients(x, loss).items():
            assert_close(gradient, gradients[label], 1e-12)
        for label, value in reader.activations(x).items():
            assert_close(value, values[label], 1e-12)  # attention is fused where no gradient is wanted


def test_the_network_computes_in_evaluation_mode_while_it_is_read() -> None:
    architecture = build("depthwise", torch.float64)
    x = architecture.batch(4)
    reader = Reader(architecture.network, "7", architecture.batch(2))
    values, gradients = reader.activations(x)["7"], reader.gradients(x, loss)["7"]
    architecture.network.train()
    assert torch.equal(reader.activations(x)["7"], values)
    assert torch.equal(reader.gradients(x, loss)["7"], gradients)


def test_one_reading_holds_all_that_its_parts_give(read: Read) -> None:
    x = read.architecture.batch(3)
    reading, values = read.reader.read(x, loss), read.reader.read(x)
    logits = read.graph(x)
    assert_close(reading.logits, logits, 1e-12)
    assert_close(reading.losses, loss(logits), 1e-12)
    assert (values.losses, values.gradients, values.through) == (None, {}, {})
    assert_close(values.logits, logits, 1e-12)
    assert list(reading.activations) == list(reading.gradients) == [point.label for point in read.reader.points]
    for label, value in reading.activations.items():
        assert_close(value, values.activations[label], 1e-12)
    everything = [reading.logits, reading.losses, *reading.activations.values(), *reading.gradients.values()]
    assert not any(tensor.requires_grad for tensor in everything)


class Spy(nn.Module):
    """Notes whether a gradient comes by."""

    def __init__(self) -> None:
        super().__init__()
        self.gradients = 0
        self.is_differentiated = False

    def forward(self, x: Tensor) -> Tensor:
        self.is_differentiated = x.requires_grad
        if x.requires_grad and not torch.compiler.is_exporting():
            x.register_hook(self.note)
        return x * 1

    def note(self, gradient: Tensor) -> None:
        self.gradients += 1


def test_no_gradient_goes_beyond_the_earliest_point_or_to_a_weight() -> None:
    x, weights = torch.randn(3, 4), nn.Linear(4, 4)
    spies = [Spy() for _ in range(3)]
    net = nn.Sequential(weights, spies[0], nn.Tanh(), spies[1], nn.Linear(4, 4), spies[2], nn.Tanh(), nn.Linear(4, 3))
    Reader(net, ["6", "2"], x).gradients(x[:1], loss)
    assert [spy.gradients for spy in spies] == [0, 1, 1]
    assert [spy.is_differentiated for spy in spies] == [False, True, True]
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("precision", "unit"), [("32-true", 2**-23), ("bf16-mixed", 2**-8), ("16-mixed", 2**-11)])
def test_a_lower_precision_reads_the_same_up_to_its_rounding(precision: str, unit: float, device: str) -> None:
    architecture = build("vgg")
    net, x = architecture.network.to(device), architecture.batch(6).to(device)
    for parameter in net.parameters():
        parameter.data = parameter.data.to(torch.bfloat16).to(parameter.dtype)  # the same in all precisions
    exact, same = copy.deepcopy(net).cpu().double(), x.cpu().double()
    reading = Reader(net, "*", x, precision=precision, through=True).read(x, loss)
    expected = Reader(exact, "*", same, through=True).read(same, loss)
    share = 40 * unit  # some ten layers with a few roundings each
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision, torch.float32)
    assert {value.dtype for value in reading.activations.values()} == {half}
    found = {"logits": reading.logits, "losses": reading.losses, **reading.gradients}
    wanted = {"logits": expected.logits, "losses": expected.losses, **expected.gradients}
    for name, call in reading.through.items():
        found |= {f"{name} in": call.norm_in, f"{name} out": call.norm_out}
        wanted |= {f"{name} in": expected.through[name].norm_in, f"{name} out": expected.through[name].norm_out}
    for name, value in found.items():
        assert (value.dtype, value.device.type) == (torch.float32, device)
        error = (value.cpu().double() - wanted[name]).norm() / wanted[name].norm()
        assert error <= share, (name, float(error))
    if precision != "32-true":
        assert (reading.logits.cpu().double() - expected.logits).abs().max() > 1e-6  # it was computed in half precision


def test_gradients_too_small_or_too_large_for_half_precision_are_scaled() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    x = torch.randn(3, 4)
    reader, exact = Reader(net, "*", x, precision="16-mixed"), Reader(net, "*", x)
    for factor in (1e-8, 1.0, 1e4):  # half precision holds 6e-8 to 65504
        found = reader.gradients(x, lambda logits, factor=factor: factor * logits.sum(1))
        for label, gradient in exact.gradients(x, lambda logits, factor=factor: factor * logits.sum(1)).items():
            assert_close(found[label], gradient, 0.02)


def test_an_unknown_precision_and_an_empty_example_are_refused() -> None:
    net = build("mlp").network
    with pytest.raises(InputError, match="precision must be one of 32-true, bf16-mixed, 16-mixed, got 'half'"):
        Reader(net, "*", torch.zeros(2, 6), precision="half")
    with pytest.raises(InputError, match="the example must hold at least one sample, got none"):
        Reader(net, "*", torch.zeros(0, 6))
    with pytest.raises(InputError, match="inputs must be a tensor, or a tuple or mapping of tensors, got str"):
        Reader(net, "1", torch.zeros(2, 6)).read("x")


def snapshot(network: nn.Module) -> list[object]:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = [(m.training, [dict(getattr(m, kind)) for kind in kinds], set(vars(m))) for m in network.modules()]
    tensors = [*network.parameters(), *network.buffers()]
    known = [(id(t), t.requires_grad, None if t.grad is None else (id(t.grad), t.grad.tolist())) for t in tensors]
    return [modules, known, [t.tolist() for t in tensors]]


@contextmanager
def left_as_found(network: nn.Module) -> Iterator[None]:
    """The network goes in with mixed modes, frozen parameters, gradients and a hook of its owner."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        module.training = bool(torch.rand((), generator=generator) < 0.5)
    for parameter in network.parameters():
        parameter.requires_grad_(bool(torch.rand((), generator=generator) < 0.5))
        parameter.grad = torch.ones_like(parameter)
    handle = network.register_forward_hook(lambda *_: None)
    before = snapshot(network)
    yield
    assert snapshot(network) == before
    handle.remove()


@pytest.mark.parametrize("name", ["in_place", "shared", "recurrent", "text_transformer", "bottleneck", "normalised"])
def test_the_network_is_left_as_it_was_found_also_after_an_error(name: str) -> None:
    architecture = build(name)
    modules = [point.label for point in captured(name).layers.hidden if point.call is not None]
    x = architecture.batch(3)
    with left_as_found(architecture.network):
        for wanted in (modules, [*modules, captured(name).graph.output_node.name]):
            reader = Reader(architecture.network, wanted or "*", architecture.batch(2))
            reader.activations(x)
            reader.gradients(x, loss)
            with pytest.raises(ZeroDivisionError):
                reader.gradients(x, lambda logits: logits[:, 1 // 0])
            with pytest.raises(InputError):
                reader.gradients(x, lambda logits: torch.zeros(len(logits)))
            with pytest.raises(RuntimeError):
                reader.gradients(x.double(), loss)


class Odd(nn.Module):
    """Every way in which a point can fail to have per-sample gradients."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.layer = nn.Linear(3, 3)
        self.aside = nn.Linear(3, 3)
        self.pairs = Pair()
        self.turned = Turned()

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        if self.way == "tuple":
            return self.pairs(x)[0] * 2
        if self.way == "turned":
            return self.turned(x).t() * 2
        if self.way == "aside":
            return x + 0 * self.aside(x.detach()).detach()
        if self.way == "mixed":
            return x - x.mean(0)
        return (x > 0).to(torch.int64) * 2 + x


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, x + 2


class Turned(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.t() + 1


@pytest.mark.parametrize(
    ("way", "layer", "message"),
    [
        ("turned", "turned", "the output of layer 'turned' must be one tensor with the batch first"),
        ("aside", "aside", "no gradient reaches layer 'aside': the loss does not depend on it"),
        ("mixed", "layer", "the samples of a batch mix after layer 'layer'"),
        ("integer", "gt", "layer 'gt' gives torch.bool, which has no gradient"),
        ("", "layr", "no layer 'layr' in the network: did you mean layer"),
    ],
)
def test_points_without_gradients_a_sample_are_refused(way: str, layer: str, message: str) -> None:
    x = torch.randn(4, 3)
    with pytest.raises(InputError, match=message):
        Reader(Odd(way), layer, x).gradients(x, loss)


@pytest.mark.parametrize("network", [build("mlp").network, capture(build("mlp").network, torch.zeros(2, 6))])
def test_a_gradient_that_is_not_finite_is_named_by_layer_and_sample(network: nn.Module) -> None:
    def steep(logits: Tensor) -> Tensor:
        return logits.sum(1) * torch.tensor([1.0, 1.0, torch.inf, 1.0])

    with pytest.raises(InputError, match="the gradient at layer '1' is not finite for sample 2 of the batch"):
        Reader(network, "1", torch.zeros(2, 6)).gradients(torch.randn(4, 6), steep)


def test_an_output_of_a_module_without_graph_must_have_the_batch_first() -> None:
    class Free(Odd):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if x.sum() < 1e9 else x

    x = torch.randn(4, 3)
    with pytest.raises(InputError, match=r"'turned' must have the batch first, got \(3, 4\)"):
        Reader(Free("turned"), "turned", x).activations(x)


def test_batch_statistics_are_refused_by_layer() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False), nn.Linear(3, 2))
    with pytest.raises(InputError, match="layer '1' normalises by the statistics of the batch"):
        Reader(net, "0", torch.zeros(2, 3))


def test_an_encoder_that_takes_the_batch_for_the_sequence_is_refused() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0)
    net = nn.Sequential(nn.Linear(4, 8), nn.TransformerEncoder(layer, 1, enable_nested_tensor=False))
    x = torch.randn(3, 5, 4)
    with pytest.raises(InputError, match=r"mix after layer '0'.*batch_first=True"):
        Reader(net, "0", x).gradients(x, lambda logits: logits.flatten(1).sum(1))


@pytest.mark.parametrize("wrong", [lambda logits: logits.sum(), lambda logits: logits])
def test_a_loss_must_give_one_number_a_sample(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"one number a sample, \(4,\), got \("):
        Reader(build("mlp").network, "1", torch.zeros(2, 6)).gradients(torch.randn(4, 6), wrong)


def test_a_network_of_one_layer_has_no_hidden_layer() -> None:
    with pytest.raises(InputError, match="no layer to read"):
        Reader(nn.Linear(3, 2), "*", torch.zeros(2, 3))


@settings(max_examples=10)
@given(width=st.integers(1, 6), depth=st.integers(1, 4), batch=st.integers(1, 5), seed=st.integers(0, 999))
def test_gradients_of_linear_networks_are_products_of_their_weights(
    width: int, depth: int, batch: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(depth + 1))).double()
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    x = torch.randn(batch, width, generator=generator, dtype=torch.float64)
    found = Reader(net, [str(number) for number in range(depth)], x).gradients(x, lambda logits: logits.sum(1))
    gradient = torch.ones(batch, width, dtype=torch.float64)
    for number in reversed(range(depth)):
        gradient = gradient @ net[number + 1].weight
        assert torch.allclose(
            found[str(number)], gradient, rtol=1e-10, atol=1e-10 * float(gradient.detach().abs().max())
        )
