"""Regularisers in a training loop of your own: a penalty as a term of the loss, or by its proximal map after each step.

    python examples/own_training_loop.py

Both minimise the same function. Gradient steps on the sum leave weights small, the proximal map makes them exactly
zero. Some seconds on a laptop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

import corank
from corank.train import L1, ProximalSteps

PENALTY = L1(strength=1e-3)
Loss = Callable[[nn.Module, Tensor, Tensor], Any]


def train(network: nn.Module, optimiser: Optimizer, batches: Any, loss: Loss, epochs: int) -> None:
    """Your own loop: nothing in it is corank's."""
    for _ in range(epochs):
        for x, y in batches:
            optimiser.zero_grad()
            loss(network, x, y).backward()
            optimiser.step()


def plain(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The cross entropy."""
    return nn.functional.cross_entropy(network(x), y)


def penalised(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The cross entropy and the penalty, which is called like any function of the network."""
    return plain(network, x, y) + PENALTY(network)


def zeros(network: nn.Module) -> float:
    """The share of weights that are exactly zero."""
    weights = torch.cat([weight.flatten() for weight in network.parameters() if weight.ndim > 1])
    return float((weights == 0).double().mean())


def main(epochs: int = 30) -> dict[str, tuple[float, float]]:
    """Train with the same penalty in both ways.

    Args:
        epochs: of each training.

    Returns:
        The share of zeros and the test accuracy by the way.
    """
    data = corank.load_data("digits")
    batches, test = corank.Batches(data.train, 64), corank.Batches(data.test, 500)
    gradient_steps = partial(SGD, lr=0.2)
    found = {}
    for name, loss in (("in the loss", penalised), ("proximal steps", plain)):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
        # Any optimiser will do; after its step the map takes off step size x strength, as a schedule has the step size.
        proximal_steps = ProximalSteps(network=network, penalty=PENALTY, optimiser=gradient_steps)
        make = gradient_steps if loss is penalised else proximal_steps
        train(network, make(network.parameters()), batches, loss, epochs)
        found[name] = zeros(network), corank.accuracy(network, test)
        print(f"penalty {name}: {found[name][0]:.1%} zeros, test accuracy {found[name][1]:.1%}")
    return found


if __name__ == "__main__":
    main()
