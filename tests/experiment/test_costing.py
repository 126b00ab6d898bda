"""The parts of a cut network add up, and cost what the cut network then has."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from corank.compress import ASNet
from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.costing import cost_of
from corank.zoo import Batches, Dataset

Make = Callable[..., Opened]
NUMBERS = ("parameters", "storage_mb", "multiply_adds_millions")


def test_the_forecast_is_what_the_cut_network_costs(make_opened: Make, pixels: Dataset) -> None:
    opened = make_opened("residual")
    found = cost_of(opened, 1, rank=2, order=2, latency=False)
    method = ASNet(layer=1, rank=2, order=2, epochs=0)
    cut = method.compress(opened.network, Batches(pixels.train, 32, shuffle=True))
    assert found["network"] == cut.original.row()
    assert found["pre"] == cut.pre.row()
    assert found["head"] == cut.head.row()
    assert found["overall"] == cut.overall.row()
    assert (found["layer"], found["features"]) == (cut.layer, cut.features)


def test_parts_add_up(make_opened: Make) -> None:
    found = cost_of(make_opened("residual"), 3, rank=5, order=3, latency=False)
    assert found["head"]["parameters"] == 5 * found["features"] + 3 * math.comb(5 + 3, 3)
    for name in NUMBERS:
        assert found["overall"][name] == pytest.approx(found["pre"][name] + found["head"][name], rel=1e-12)


def test_without_a_layer_there_is_the_whole_only(make_opened: Make) -> None:
    found = cost_of(make_opened("tiny"), None, seconds=0.02)
    assert {*found} == {"name", "network"}
    assert found["network"]["parameters"] == 36 * 12 + 12 + 12 * 8 + 8 + 8 * 3 + 3
    assert [row["batch"] for row in found["network"]["latency"]] == [1, 64]


@pytest.mark.parametrize(("option", "value"), [("rank", 0), ("order", -1)])
@pytest.mark.parametrize("layer", [None, 1])
def test_options_are_checked_with_and_without_a_cut(
    make_opened: Make, layer: int | None, option: str, value: int
) -> None:
    with pytest.raises(InputError, match=f"{option}.*got {value}"):
        cost_of(make_opened("residual", trained=False), layer, latency=False, **{option: value})
