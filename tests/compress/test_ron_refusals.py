"""What RON refuses, and what it tells."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError

from ..network import architectures
from .images import data, net, small


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 5}, "bases from 256 samples"),
        ({"rank": 5, "samples": 100}, "bases from 80 samples"),
        ({"energy": 0.9999, "sketch_size": 4}, r"less than the energy asked for is held at 3 \(\d+.\d%\)"),
        (
            {"sketch_size": 4},
            "less than the energy asked for is held at 3 .*: give a larger sketch_size or more samples",
        ),
        ({"layer": "0", "rank": 70}, r"the dense layers hold [\d,]+ parameters, more than the 1,\d+ they replace"),
        ({"vbmf": True}, "have no noise floor, so that their ranks mean little"),
        ({"vbmf": True, "sketch_size": 1}, "all known directions are kept at 3"),
    ],
)
def test_what_a_reader_should_know_is_told(options: dict[str, Any], said: str) -> None:
    message = small(**options).message
    assert re.search(said, message)
    assert "\n" not in message


def test_nothing_is_told_of_an_energy_that_is_held() -> None:
    assert small(layer="8", energy=0.9).message == small(layer="8", rank=5).message == "bases from 256 samples"


def test_half_precision_is_refused() -> None:
    batches = [(x.bfloat16(), y) for x, y in data()]
    with pytest.raises(InputError, match=r"float32 or torch.float64, got torch.bfloat16 in 0.weight"):
        small(net().bfloat16(), batches, rank=5)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.hidden = nn.Linear(30, 20)
        self.last = nn.Linear(20, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.hidden(self.embed(x).flatten(1))))


def test_whole_numbers_go_in_where_the_kept_part_takes_them() -> None:
    torch.manual_seed(0)
    batches = [(torch.randint(11, (32, 5)), torch.randint(3, (32,))) for _ in range(4)]
    network = Tokens().eval()
    with pytest.raises(InputError, match=r"'embed' \(aten.embedding.default\); .* follows layer 'embed'"):
        small(network, batches, rank=5)
    made = small(network, batches, layer="embed", rank=20, epochs=1)
    assert made.network(batches[0][0]).shape == (32, 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"energy": 1.5}, "energy must be above 0 and at most 1, got 1.5"),
        ({"factor": 0.5}, "factor must be at least 1 and finite, got 0.5"),
        ({"rank": 3, "vbmf": True}, "ranks are chosen in one way, got rank and vbmf: give one of them"),
        ({"rows": 0.9}, "rows must be between 1 and 2, got 0.9"),
        ({"rows": 2.5}, "rows must be between 1 and 2, got 2.5"),
        ({"rows": math.nan}, "rows .* got nan"),
        ({"multiple": 0}, "multiple must be at least 1, got 0"),
        ({"selection": "random"}, "selection must be one of volume, gappy-pod-e, maxvol, got 'random'"),
        ({"maps": "learnt"}, "maps must be one of fitted, interpolated, got 'learnt'"),
        ({"project": -1}, "project must be at least 0, got -1"),
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"sketch_size": 0}, "sketch_size must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"dropout": -0.1}, "dropout .* got -0.1"),
        ({"tuning": "adam"}, "tuning must be one of distillation, thesis, got 'adam'"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
        ({"beta": 1.5}, "beta must be between 0 and 1, got 1.5"),
        ({"pre_rate": 0.0}, "pre_rate must be positive and finite, got 0.0"),
        ({"head_rate": math.inf}, "head_rate .* got inf"),
        ({"learning_rate": math.nan}, "learning_rate .* got nan"),
        ({"learning_rate": 0.1}, "learning_rate 0.1 has no effect with tuning 'distillation': leave it out"),
        ({"tuning": "thesis", "beta": 0.5}, "beta 0.5 has no effect with tuning 'thesis'"),
        ({"tuning": "thesis", "layer": 1, "pre_rate": 0.1}, "pre_rate 0.1 has no effect with tuning 'thesis'"),
        ({"tuning": "thesis", "head_rate": 0.1}, "head_rate 0.1 has no effect with tuning 'thesis'"),
        ({"pre_rate": 0.1}, "pre_rate 0.1 has no effect with layer None, which keeps nothing"),
        ({"layer": "nine"}, "no layer 'nine'"),
        ({"layer": 3}, "layer 3 is not in the network"),
        ({"layer": "*"}, r"a cut needs one layer, '\*' names 3"),
        ({"layer": "10"}, "after layer 10 there is no activation: the rest is one linear map already"),
        (
            {"samples": 11},
            "maps are fitted to at least 10 samples, got 9: give more, or reduce with maps 'interpolated'",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_value(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        small(**options)
    assert "\n" not in str(caught.value)


def test_a_network_without_an_activation_is_one_linear_map() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(72, 5), nn.Linear(5, 3))
    with pytest.raises(InputError, match="after the input there is no activation: the rest is one linear map already"):
        small(network, rank=2)


def test_a_cut_inside_a_residual_branch_names_where_else() -> None:
    resnet = architectures.build("resnet")
    batches = [(resnet.batch(20), torch.arange(20) % 3)]
    with pytest.raises(InputError, match=r"'layer2.0.bn1' cannot be cut.* the nearest legal cuts are layer1.0.* and"):
        small(resnet.network, batches, layer="layer2.0.bn1", rank=2)


def test_what_the_refusal_of_an_operation_offers_works() -> None:
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(72, 8), nn.LayerNorm(8), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)
    ).eval()
    with pytest.raises(
        InputError, match=r"'2' \(aten.layer_norm.default\); .* follows layer '2': give that as the layer"
    ):
        small(network, rank=2)
    with pytest.raises(InputError, match="follows layer '2'"):
        small(network, rank=2, layer="1")
    assert small(network, rank=2, layer="2").layer == "2"
