"""The accounts of Cui et al. 2020, "Active Subspace of Neural Networks", Tables 2 to 5, to the printed digit."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import nn

from corank.compress import Forecast, forecast
from corank.errors import InputError
from corank.linalg import number_of_terms
from corank.network import Cost, GraphNetwork, capture
from corank.zoo import build, input_shape

# network, classes, layer: features, MB and millions of multiply-adds of the pre-model, of subspace layer and polynomial
CUTS = {
    ("vgg19", 10, 5): (16_384, "2.12", "115.02", "3.18", "0.83"),
    ("vgg19", 10, 6): (16_384, "4.38", "152.76", "3.18", "0.83"),
    ("vgg19", 10, 7): (16_384, "6.63", "190.51", "3.18", "0.83"),
    ("resnet110", 10, 61): (8_192, "1.15", "140.82", "1.61", "0.42"),
    ("resnet110", 10, 67): (8_192, "1.37", "154.98", "1.61", "0.42"),
    ("resnet110", 10, 73): (8_192, "1.58", "169.13", "1.61", "0.42"),
    ("vgg19", 100, 7): (16_384, "6.63", None, "3.63", "0.95"),
    ("vgg19", 100, 8): (4_096, "8.88", None, "1.29", "0.34"),
    ("vgg19", 100, 9): (8_192, "13.39", None, "2.07", "0.54"),
    ("resnet110", 100, 75): (4_096, "1.79", None, "1.29", "0.34"),
    ("resnet110", 100, 81): (4_096, "2.64", None, "1.29", "0.34"),
    ("resnet110", 100, 87): (4_096, "3.48", None, "1.29", "0.34"),
}
WHOLE = {
    ("vgg19", 10): ("76.45", "398.14"),
    ("vgg19", 100): ("76.62", "398.18"),
    ("resnet110", 10): ("6.59", "252.89"),
    ("resnet110", 100): ("6.61", None),
}


@cache
def captured(name: str, classes: int) -> GraphNetwork:
    return capture(build(name, classes=classes), torch.zeros(2, *input_shape(name)))


def printed(cost: Cost, storage: str, multiply_adds: str | None) -> None:
    assert f"{cost.storage_mb:.2f}" == storage
    if multiply_adds is not None:
        assert f"{cost.multiply_adds_millions:.2f}" == multiply_adds


@pytest.mark.parametrize(("name", "classes", "layer"), list(CUTS))
def test_the_published_figures_come_out(name: str, classes: int, layer: int) -> None:
    features, pre_mb, pre_millions, head_mb, head_millions = CUTS[name, classes, layer]
    found = forecast(captured(name, classes), layer, torch.zeros(1, *input_shape(name)), rank=50, order=2)
    assert found.features == features
    printed(found.network, *WHOLE[name, classes])
    printed(found.pre, pre_mb, pre_millions)
    printed(found.head, head_mb, head_millions)
    assert found.head.parameters == found.head.multiply_adds == 50 * features + 1326 * classes
    assert found.overall == found.pre + found.head
    assert found.overall.parameters == sum(value.numel() for value in found.module.parameters())


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 7), nn.Tanh(), nn.Linear(7, 3))


@pytest.mark.parametrize(("rank", "order"), [(1, 0), (8, 1), (3, 2), (2, 4)])
def test_the_head_costs_a_map_and_a_polynomial(rank: int, order: int) -> None:
    found: Forecast = forecast(net(), "1", torch.zeros(1, 6), rank=rank, order=order)
    assert found.head.parameters == found.head.multiply_adds == 8 * rank + 3 * number_of_terms(rank, order)
    assert found.pre.parameters == 6 * 8 + 8
    assert found.module(torch.zeros(5, 6)).shape == (5, 3)
    assert found.row()["parameters"] == found.overall.parameters
    assert "module" not in found.to_dict()


def test_a_forecast_changes_nothing_and_needs_no_mode() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    forecast(network, 1, torch.randn(1, 1, 4, 4), rank=2, order=1)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training for module in network.modules())


@pytest.mark.parametrize(
    ("layer", "rank", "order", "named"),
    [
        ("1", 9, 2, "rank must be between 1 and the 8 features at the cut, got 9"),
        ("1", 0, 2, "got 0"),
        ("1", 2, -1, "order must be at least 0, got -1"),
        ("8", 2, 2, "'8'"),
        (3, 2, 2, "layer 3"),
    ],
)
def test_what_cannot_be_cut_is_refused(layer: str | int, rank: int, order: int, named: str) -> None:
    with pytest.raises(InputError, match=named):
        forecast(net(), layer, torch.zeros(1, 6), rank=rank, order=order)


def test_outputs_that_are_not_logits_are_refused() -> None:
    with pytest.raises(InputError, match=r"logits \(B, classes\), got shape \(1, 2, 4, 4\)"):
        forecast(nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3)), "0", torch.zeros(1, 1, 6, 6), rank=1, order=1)
