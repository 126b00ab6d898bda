"""What a network consists of, and what is said of operations that cannot be reduced."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.compress.reduced.stages import last_supported, tail_of
from corank.compress.reduced.student import layer_names
from corank.errors import InputError

from ...network import architectures
from .examples import NAMES, Example, built, captured, example, measured, relative


class Odd(nn.Module):
    """An operation of no reduced-order network, and after it what can be reduced."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.first = nn.Linear(4, 4)
        self.slopes = nn.PReLU(4)
        self.norm = nn.LayerNorm(4)
        self.batch = nn.BatchNorm1d(4, track_running_stats=False)
        self.recurrent = nn.LSTM(2, 4, batch_first=True)
        self.after = nn.Linear(4, 5)
        self.last = nn.Linear(5, 3)

    def odd(self, x: Tensor) -> Tensor:
        match self.name:
            case "softmax":
                return x.softmax(1)
            case "product":
                return x * self.after(x)[:, :4]
            case "learnt power":
                return x.pow(self.slopes.weight) * x
            case "layer norm":
                return self.norm(x)
            case "batch statistics":
                return self.batch(x)
            case "batch mean":
                return x - x.mean(0)
            case "other samples":
                return x + x.reshape(x.size(0) * 2, 2).reshape(x.size(0), 4)
            case "dropout that is always on":
                return functional.dropout(x, 0.5, True)
            case "recurrence":
                return self.recurrent(x.reshape(-1, 2, 2))[0][:, -1]
            case "attention":
                x = x.reshape(-1, 2, 2)
                return functional.scaled_dot_product_attention(x, x, x).flatten(1)
            case _:
                return torch.cumsum(x, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.odd(torch.relu(self.first(x)))
        return self.last(torch.relu(self.after(x) + 0.1))


ODD = {
    "softmax": "softmax", "product": "mul", "learnt power": "pow", "layer norm": "layer_norm",
    "batch statistics": "batch_norm", "batch mean": "mean", "other samples": "reshape",
    "dropout that is always on": "dropout", "recurrence": "lstm", "attention": "scaled_dot_product_attention",
    "other": "cumsum",
}  # fmt: skip


def odd(name: str) -> Example:
    torch.manual_seed(0)
    data = [(torch.randn(10, 4, dtype=torch.float64), torch.randint(3, (10,))) for _ in range(4)]
    return captured(Odd(name).double().eval(), data)


@pytest.mark.parametrize("name", ODD)
def test_an_operation_that_is_not_known_is_named_with_the_longest_end_that_works(name: str) -> None:
    one = odd(name)
    with pytest.raises(InputError, match="longest end without them follows layer") as caught:
        tail_of(one.layers, one.graph.input_node)
    said = str(caught.value)
    assert "\n" not in said
    assert f"aten.{ODD[name]}" in said.partition(";")[0]
    label = re.findall(r"follows layer '(.+)': give that as the layer$", said)[0]
    start = last_supported(one.layers)
    assert start is not None
    assert one.layers.node(one.layers.resolve(label)[0]) is start
    places = [one.graph.input_node, *one.layers.legal_cuts]
    for earlier in places[: places.index(start)]:
        with pytest.raises(InputError, match=re.escape(f"follows layer {label!r}")):
            tail_of(one.layers, earlier)
    if name != "batch statistics":  # where no sample can be read alone
        tail, bases = measured(one, start)
        _, reduced = built(tail, bases)
        assert relative(reduced.network(one.values[label]), one.graph(one.x)) <= 1e-12 or "dropout" in name


@pytest.mark.parametrize("name", ["squeeze_excitation", "recurrent", "text_transformer", "vision_transformer"])
def test_networks_with_unknown_operations_are_refused_and_their_ends_are_not(name: str) -> None:
    whole = architectures.captured(name, torch.float64)
    with pytest.raises(InputError, match="has no operation such as"):
        tail_of(whole.layers, whole.graph.input_node)
    start = last_supported(whole.layers)
    assert (start is not None) == (name == "squeeze_excitation")
    if start is not None:
        assert tail_of(whole.layers, start).stages


def test_where_no_end_can_be_reduced_that_is_said() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Softmax(1), nn.Softmax(1)).double()
    one = captured(net, [(torch.randn(10, 4, dtype=torch.float64), torch.randint(3, (10,)))])
    with pytest.raises(InputError, match=r"'3' \(aten.softmax.int\); no end of the network is free of such operations"):
        tail_of(one.layers, one.graph.input_node)


def test_outputs_that_are_no_logits_are_refused() -> None:
    whole = architectures.captured("unet")
    with pytest.raises(InputError, match=r"logits \(B, classes\), this network's output is of shape \('B', 2, 6, 6\)"):
        tail_of(whole.layers, whole.graph.input_node)


def test_activations_and_poolings_belong_to_the_stage_in_front_of_which_they_are() -> None:
    one = example("vgg")
    stages = tail_of(one.layers, one.graph.input_node).stages
    assert [(stage.label, stage.index, len(stage.steps), stage.shape) for stage in stages] == [
        ("3", 1, 2, (3, 4, 4)),
        ("7", 2, 2, (4, 2, 2)),
        ("13", None, 1, (6,)),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_steps_on_samples_give_what_they_give_on_whole_values(name: str) -> None:
    one = example(name)
    chance = torch.Generator().manual_seed(0)
    for stage in tail_of(one.layers, one.graph.input_node).stages:
        source = torch.randn(4, *stage.shape_in, generator=chance, dtype=torch.float64)
        rows = torch.randperm(stage.features, generator=chance)[: 1 + stage.features // 2]
        places, steps = stage.sampled(rows)
        values = source.flatten(1)[:, places]
        for step in steps:
            values = step(values)
        torch.testing.assert_close(values, stage.finished(source)[:, rows], rtol=0, atol=1e-15)


def test_a_linear_value_that_is_read_twice_is_a_stage() -> None:
    one = example("preactivated")
    stages = tail_of(one.layers, one.graph.input_node).stages
    streams = [stage.label for stage in stages if not stage.steps]
    assert streams == ["0", "1"]


def test_a_network_in_training_mode_is_read_as_in_evaluation() -> None:
    one = example("vgg")
    again = Example(one.network, one.graph.train(), one.layers, one.data)
    try:
        tail = tail_of(again.layers, again.graph.input_node)
        assert [stage.label for stage in tail.stages] == ["3", "7", "13"]
    finally:
        one.graph.eval()


def test_layers_have_names_of_their_own_that_modules_can_have() -> None:
    labels = ["start", "a.b", "a_b", "a@b", "keys", "class", "relu()", "ron.layers.3", "ron2.layers.3", "3"]
    names = layer_names(labels)
    assert len(set(names)) == len(labels)
    modules = nn.ModuleDict({name: nn.Identity() for name in names})
    assert "start" not in modules
    assert names[-3:] == ("3", "3_", "3__")
