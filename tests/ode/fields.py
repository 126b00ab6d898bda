"""Small fields of which the solution is known, or which ask something special of a gradient method."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """dz/dt = A z."""

    def __init__(self, size: int = 3, seed: int = 0) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(seed)
        self.matrix = nn.Parameter(torch.randn(size, size, generator=chance, dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return z @ self.matrix.T

    def exact(self, z0: Tensor, time: float) -> Tensor:
        return z0 @ torch.linalg.matrix_exp(time * self.matrix).T


class Stiff(nn.Module):
    """Contracts at 30 towards a moving point."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(30.0, dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return -self.rate * (z - torch.cos(t))


class Timed(nn.Module):
    """Depends on time, not linear, with a parameter that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(3, 3, generator=chance, dtype=torch.float64))
        self.speed = nn.Parameter(torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))
        self.idle = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return torch.tanh(z @ self.weight) + torch.sin(self.speed * t)


class Kinked(nn.Module):
    """A small network with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(2)
        self.first = nn.Parameter(2 * torch.randn(4, 32, generator=chance, dtype=torch.float64))
        self.second = nn.Parameter(torch.randn(32, 4, generator=chance, dtype=torch.float64) / 3)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return torch.relu(z @ self.first + t) @ self.second


def states(batch: int = 2, size: int = 3, seed: int = 3) -> Tensor:
    return torch.randn(batch, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
