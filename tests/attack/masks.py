"""Small honest networks on the handwritten digits of scikit-learn, and masks that only hide from descents."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from corank.attack.budget import Budget
from corank.attack.descent import Steps, descent
from corank.attack.victim import Victim
from corank.network import evaluation_mode

TRAINED_AT = 0.1  # linf radius of adversarial training
TEST = 500  # images


class Sharpened(nn.Module):
    """Logits times a hundred: the cross-entropy is flat wherever the network is sure."""

    def __init__(self, network: nn.Module, factor: float = 100.0) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.network(x)


class Rounded(nn.Module):
    """Inputs rounded to a few levels: no gradient comes through."""

    def __init__(self, network: nn.Module, levels: int = 4) -> None:
        super().__init__()
        self.network, self.levels = network, levels

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x * self.levels).round() / self.levels)


class Randomised(nn.Module):
    """Noise is added to the inputs of each pass."""

    def __init__(self, network: nn.Module, deviation: float = 0.1) -> None:
        super().__init__()
        self.network, self.deviation = network, deviation

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x + self.deviation * torch.randn_like(x))


MASKS: dict[str, type[Sharpened] | type[Rounded] | type[Randomised]] = {
    "logits x 100": Sharpened, "rounded input": Rounded, "randomised input": Randomised,
}  # fmt: skip


def masked(mask: str, network: nn.Module) -> nn.Module:
    """A network under one of the masks, in evaluation mode."""
    return MASKS[mask](network).eval()


def mlp() -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def smooth() -> nn.Sequential:
    """One wide hidden layer without kinks."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 10))


def cnn() -> nn.Sequential:
    """Two convolutions and a pool."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def normed() -> nn.Sequential:
    """Two convolutions with batch norm."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 32, 3, padding=1),
        nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


BUILDERS: dict[str, Callable[[], nn.Sequential]] = {"mlp": mlp, "cnn": cnn, "smooth": smooth, "normed": normed}


@cache
def digits() -> tuple[Tensor, Tensor]:
    """All images `(1797, 1, 8, 8)` from 0 to 1 and their classes."""
    data = load_digits()
    return torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, torch.tensor(data.target)


def split(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test images of a seed, with their classes."""
    x, y = digits()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, test = order[TEST:], order[:TEST]
    return x[train], y[train], x[test], y[test]


@cache
def trained(name: str, seed: int, is_adversarial: bool = False, epochs: int = 25) -> nn.Module:
    """A network trained on the clean images, or on what seven steps of a descent make of them (Madry et al. 2018)."""
    x, y, _, _ = split(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BUILDERS[name]()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(seed)
    budget, options = Budget(norm="linf", radius=TRAINED_AT), Steps(steps=7, stop=False)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(64):
            given = x[rows]
            if is_adversarial:
                with evaluation_mode(network):
                    given = descent(Victim(network, (0.0, 1.0)), given, y[rows], budget, options, generator).last
            optimiser.zero_grad()
            functional.cross_entropy(network(given), y[rows]).backward()
            optimiser.step()
    optimiser.zero_grad()
    return network.eval()
