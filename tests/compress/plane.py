"""A small trained network on three classes of points in the plane, and its cuts."""

from __future__ import annotations

import copy
import math
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from corank.compress import ASNet, ASNetwork
from corank.network import GraphNetwork, capture

Data = list[tuple[Tensor, Tensor]]


def net() -> nn.Sequential:
    return copy.deepcopy(trained())


@cache
def trained() -> nn.Sequential:
    """Three classes of points in the plane, seen by a network of two hidden layers, briefly trained."""
    torch.manual_seed(4)
    made = nn.Sequential(
        nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3)
    )
    optimiser = torch.optim.Adam(made.parameters(), lr=0.02)
    for _ in range(5):
        for x, y in data():
            optimiser.zero_grad()
            nn.functional.cross_entropy(made(x), y).backward()
            optimiser.step()
    made.zero_grad()
    return made.eval()


@cache
def data() -> Data:
    chance = torch.Generator().manual_seed(1)
    x = torch.randn(640, 2, generator=chance)
    y = (torch.atan2(x[:, 0], x[:, 1]) / (2 * math.pi / 3) + 1.5).long().clamp(0, 2)
    return list(zip(x.split(32), y.split(32), strict=True))


@cache
def graph() -> GraphNetwork:
    """The network, captured once for all: that takes as long as compressing it."""
    return capture(net(), data()[0][0])


def inputs(batches: Data) -> Tensor:
    return torch.cat([x for x, _ in batches])


def small(**options: Any) -> ASNetwork:
    settings = {"layer": "1", "rank": 4, "order": 2, "epochs": 1, **options}
    return ASNet(**settings).compress(graph(), data())


@cache
def untuned() -> ASNetwork:
    return small(epochs=0)
