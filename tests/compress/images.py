"""Three kinds of small images, a convolutional network that learnt them a little, and what RON makes of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from corank.compress import RON, RONetwork
from corank.network import GraphNetwork, capture

Data = list[tuple[Tensor, Tensor]]


@cache
def data() -> Data:
    """Three kinds of small images."""
    chance = torch.Generator().manual_seed(1)
    templates = torch.randn(3, 2, 6, 6, generator=chance)
    y = torch.arange(320) % 3
    x = templates[y] + torch.randn(320, 2, 6, 6, generator=chance)
    return list(zip(x.split(32), y.split(32), strict=True))


class Turned:
    """Batches in an order that follows from the epoch, as shuffled ones have it."""

    epoch = 0

    def __init__(self, batches: Data) -> None:
        self.batches = batches

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([*self.batches[self.epoch :], *self.batches[: self.epoch]])


@cache
def trained() -> nn.Sequential:
    torch.manual_seed(4)
    made = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
        nn.Linear(72, 12), nn.ReLU(), nn.Linear(12, 3),
    )  # fmt: skip
    optimiser = torch.optim.Adam(made.parameters(), lr=0.005)
    for x, y in data():
        optimiser.zero_grad()
        nn.functional.cross_entropy(made(x), y).backward()
        optimiser.step()
    made.zero_grad()
    return made.eval()


def net() -> nn.Sequential:
    return copy.deepcopy(trained())


@cache
def graph() -> GraphNetwork:
    """The network, captured once for all: that takes as long as reducing it."""
    return capture(net(), data()[0][0])


def small(network: nn.Module | None = None, given: Data | None = None, **options: Any) -> RONetwork:
    settings, batches = {"epochs": 0, **options}, given or data()
    return RON(**settings).compress(graph() if network is None else network, batches, validation=batches[:3])


def logits(network: nn.Module) -> Tensor:
    with torch.no_grad():
        return network.eval()(torch.cat([x for x, _ in data()]))
