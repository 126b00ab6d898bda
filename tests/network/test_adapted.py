from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import Adapted, Normalised, Reader, capture, unwrapped

from .other_inputs import Output, cases


class Returning(nn.Module):
    """Wraps its logits as told."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.wrap, self.layer, self.last = wrap, nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.last(torch.tanh(self.layer(x))))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: logits,
        lambda logits: {"loss": None, "logits": logits},
        lambda logits: SimpleNamespace(logits=logits, hidden=logits + 1),
        lambda logits: Output(aside=logits + 1, logits=logits),
        lambda logits: (logits,),
    ],
)
def test_logits_are_found_and_layers_read_alike_whatever_is_returned(wrap: Any) -> None:
    net, x = Returning(wrap), torch.randn(4, 3)
    logits = net.last(torch.tanh(net.layer(x)))
    assert torch.equal(Adapted(net)(x), logits)
    for network in (net, Adapted(net), Normalised(net, [0.0] * 3, [1.0] * 3)):
        reader = Reader(network, "layer", x)
        reading = reader.read(x, lambda found: found.sum(1))
        assert torch.equal(reading.logits, logits)
        assert torch.equal(reading.activations["layer"], net.layer(x))
        slope = 1 - torch.tanh(net.layer(x)) ** 2
        assert torch.allclose(reading.gradients["layer"], net.last.weight.sum(0) * slope)


def test_the_given_function_finds_the_logits_and_the_graph_has_the_networks_names() -> None:
    net, x = Returning(lambda logits: (logits + 1, [logits])), torch.randn(4, 3)
    network = Adapted(Normalised(net, [0.0] * 3, [1.0] * 3), output=lambda returned: returned[1][0])
    logits = net.last(torch.tanh(net.layer(x)))
    assert torch.equal(network(x), logits)
    graph = capture(network, x)
    assert torch.equal(graph(x), logits)
    assert [point.label for point in Reader(graph, "*", x).points] == ["tanh"]
    assert torch.equal(Reader(graph, "layer", x).activations(x)["layer"], net.layer(x))
    assert unwrapped(network) is net
    with pytest.raises(InputError, match="no layer 'network' in the network"):
        Reader(graph, "network", x)


def test_a_mapping_is_passed_by_name_and_a_tuple_by_position() -> None:
    net = cases()["two"].network
    image, vector = cases()["two"].batch(3)
    wanted = net(image, vector)
    assert torch.equal(Adapted(net)((image, vector)), wanted)
    assert torch.equal(Adapted(net)({"vector": vector, "image": image}), wanted)
    chosen = Adapted(net, inputs=("vector", "image"))
    assert torch.equal(chosen({"image": image, "labels": vector, "vector": vector}), wanted)
    assert torch.equal(Reader(chosen, "conv", {"image": image, "labels": vector, "vector": vector}).read(
        {"image": image, "labels": vector, "vector": vector}).logits, wanted)  # fmt: skip


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (lambda logits: (logits, logits), r"expected logits, but Returning returned tuple: give Adapted\(network, out"),
        (lambda logits: {"a": logits, "b": 1}, "expected logits, but Returning returned dict with a, b"),
        (lambda logits: {"logits": [logits]}, "expected logits, but Returning returned dict with logits"),
    ],
)
def test_what_holds_no_logits_is_refused(wrap: Any, message: str) -> None:
    net, x = Returning(wrap), torch.randn(4, 3)
    with pytest.raises(InputError, match=message):
        Adapted(net)(x)
    with pytest.raises(InputError, match=message):
        Reader(net, "layer", x)


def test_wrong_parts_are_named() -> None:
    case = cases()["two"]
    with pytest.raises(InputError, match="the batch has no part 'imagee': did you mean image"):
        Adapted(case.network, inputs=("imagee",))({"image": case.batch(2)[0]})
    for wrong in ("image", ()):
        with pytest.raises(InputError, match="inputs must be names of parts"):
            Adapted(case.network, inputs=wrong)
    with pytest.raises(InputError, match=r"TwoInputs does not take inputs \(2, 3\) of torch.float32, \(2,\) of"):
        Reader(case.network, "conv", (torch.zeros(4, 3), torch.zeros(4)))
