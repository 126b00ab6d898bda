"""Small images of three kinds, and networks of the user's own for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.experiment import Opened, Origin
from corank.network import Normalised
from corank.train import fit
from corank.zoo import Batches, Dataset
from corank.zoo.data.dataset import Split, assemble

SHAPE = (1, 6, 6)


class Residual(nn.Module):
    """Convolutions, functional operations and a way around two of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.out = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        x = functional.relu(x + self.second(functional.relu(self.first(x))))
        return self.out(torch.flatten(functional.max_pool2d(x, 2), 1))


class Bypassed(nn.Module):
    """Every hidden layer has the image flow around it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(36, 36)
        self.out = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.out(functional.relu(self.hidden(x)) * x)


def tiny() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))


NETWORKS: dict[str, Callable[[], nn.Module]] = {"tiny": tiny, "residual": Residual, "bypassed": Bypassed}


@pytest.fixture(scope="session")
def pixels() -> Dataset:
    """360 images of three kinds, a template each under so much noise that not all can be told apart."""
    chance = np.random.default_rng(0)
    labels = np.arange(360) % 3
    images = chance.integers(0, 60, (3, 6, 6))[labels] + chance.integers(0, 196, (360, 6, 6))
    return assemble("pixels", Split(torch.from_numpy(images.astype(np.uint8))[:, None], torch.from_numpy(labels)))


@pytest.fixture
def make_opened(pixels: Dataset) -> Callable[..., Opened]:
    """`make_opened(name, trained=True)` gives one of the networks above, normalised for the images."""

    def make(name: str, *, trained: bool = True) -> Opened:
        torch.manual_seed(1)
        network = Normalised(NETWORKS[name](), pixels.mean, pixels.std)
        if trained:
            fit(network, Batches(pixels.train, 32), epochs=3, optimiser=partial(torch.optim.Adam, lr=1e-2))
        origin = Origin(name=name, zoo_name=None, classes=3, shape=SHAPE)
        return Opened(network=network.eval(), origin=origin, is_trained=trained)

    return make
