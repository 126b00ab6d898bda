"""Small trained networks with their data, measured once for all tests of the race."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from corank.compress.budget import Target
from corank.compress.race.allowance import Allowance
from corank.compress.race.course import Course, measured
from corank.measure import OnDevice
from corank.network import Normalised, cost
from corank.zoo.nets import ResNet

Data = list[tuple[Tensor, Tensor]]
CLASSES = 4


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, CLASSES)
    )


def cnn() -> nn.Module:
    return Normalised(
        nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, CLASSES),
        ),
        [0.1],
        [1.5],
    )  # fmt: skip


class Resnet(nn.Module):
    """Residual blocks on images of one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ResNet(1, classes=CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.expand(-1, 3, -1, -1))  # type: ignore[no-any-return]


class Branched(nn.Module):
    """Two ways from the inputs to the outputs: no hidden layer has everything."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(64, 48), nn.Linear(64, 40)
        self.ends = nn.ModuleList([nn.Linear(48, CLASSES), nn.Linear(40, CLASSES)])

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.ends[0](torch.tanh(self.left(x))) + self.ends[1](torch.sigmoid(self.right(x)))


KINDS: dict[str, Callable[[], nn.Module]] = {"mlp": mlp, "cnn": cnn, "resnet": Resnet, "branched": Branched}


@cache
def data(batches: int = 20, seed: int = 0) -> Data:
    """Images of one of two signed patterns for each of four classes, so that no class has a mean of its own."""
    patterns = torch.randn(CLASSES, 1, 8, 8, generator=torch.Generator().manual_seed(9))
    chance = torch.Generator().manual_seed(seed)
    y = torch.randint(CLASSES, (64 * batches,), generator=chance)
    signs = torch.randint(2, (len(y), 1, 1, 1), generator=chance) * 2.0 - 1
    x = signs * patterns[y] + 1.3 * torch.randn(len(y), 1, 8, 8, generator=chance)
    return list(zip(x.split(64), y.split(64), strict=True))


def validation() -> Data:
    return data(5, seed=1)


@cache
def trained(kind: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = KINDS[kind]()
        optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(5):
            for x, y in data():
                optimiser.zero_grad()
                nn.functional.cross_entropy(network(x), y).backward()
                optimiser.step()
        network.zero_grad()
    return network.eval()


def network(kind: str) -> nn.Module:
    return copy.deepcopy(trained(kind))


def allowance(kind: str, text: str) -> Allowance:
    example = data()[0][0]
    return Allowance.of(Target.parsed(text), trained(kind), cost(trained(kind), example.shape[1:]), example)


@cache
def course(kind: str, text: str = "macs=3x") -> Course:
    return measured(trained(kind), data(), validation(), reaches=allowance(kind, text).reaches, seed=0)


def batches() -> OnDevice:
    return OnDevice(data(), torch.device("cpu"))
