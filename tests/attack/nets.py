"""Networks that attacks are tried on: a linear one, whose exact answers are known, and a small trained one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from corank.attack.budget import Norm, dual_lengths


def linear(classes: int = 3, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Sequential:
    """On images `(1, 6, 6)`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(36, classes)).to(dtype).eval()


def right(network: nn.Module, samples: int = 20, *, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Images far from the bounds 0 and 1, and the classes that the network sees in them."""
    dtype = next(network.parameters()).dtype
    x = 0.4 + 0.2 * torch.rand(samples, 1, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return x, network(x).argmax(1)


def nearest_boundary(network: nn.Sequential, x: Tensor, y: Tensor, norm: Norm) -> Tensor:
    """The exact length of the shortest perturbation that makes a linear network err."""
    weight, logits = network[1].weight.detach(), network(x).detach()
    slopes = weight[None] - weight[y][:, None]
    gaps = logits.gather(1, y[:, None]) - logits
    steepness = dual_lengths(norm, slopes.flatten(0, 1)).reshape(gaps.shape)
    return (gaps / steepness).nan_to_num(torch.inf).scatter(1, y[:, None], torch.inf).amin(1)


@cache
def digits() -> tuple[nn.Sequential, Tensor, Tensor]:
    """A network trained on handwritten digits, with a hundred others of them."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    y = torch.tensor(labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(150):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[:1500]), y[:1500]).backward()
            optimiser.step()
    network.zero_grad()
    return network.eval(), x[1500:1600], y[1500:1600]


@contextmanager
def short_auto_attack(iterations: int) -> Iterator[None]:
    """AutoAttack's descents, wherever they are made, with fewer iterations than a hundred."""
    module = import_module("pyautoattack.autoattack")
    with pytest.MonkeyPatch.context() as patch:
        for each in ("APGDAttack", "APGDAttack_targeted", "FABAttack_PT"):
            patch.setattr(module, each, _shortened(getattr(module, each), iterations))
        yield


def _shortened(made: Callable[..., Any], iterations: int) -> Callable[..., Any]:
    return lambda *given, **options: made(*given, **{**options, "n_iter": iterations})
