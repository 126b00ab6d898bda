"""A network that only hides its gradients looks robust; the audit says so.

    python examples/is_it_robust.py

The same network twice: as it was trained, and with its logits multiplied by a hundred, which changes no class. A minute
on a laptop.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

import corank
from corank.attack import PGD, audit
from corank.attack.audit import Audited


class Louder(nn.Module):
    """A network whose logits are multiplied by a hundred."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """The same classes."""
        logits: Tensor = 100 * self.network(x)
        return logits


def main(epochs: int = 20, radius: float = 0.1, images: int = 100) -> dict[str, Audited]:
    """Train a network, attack it with and without the mask, and audit both.

    Args:
        epochs: of training.
        radius: the most that a pixel may change.
        images: that are attacked.
    """
    data = corank.load_data("digits")
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    batches = corank.Batches(data.train, 64, shuffle=True)
    corank.fit(plain, batches, epochs=epochs, optimiser=partial(torch.optim.Adam, lr=1e-2))
    x, labels = next(iter(corank.Batches(data.test, images)))

    found = {}
    for name, network in {"plain": plain.eval(), "louder": Louder(plain).eval()}.items():
        attacked = PGD(radius=radius).attack(network, x, labels)
        found[name] = audit(network, x, labels, radius=radius, subsample=30, queries=200)
        flags = ", ".join(f"{row.test} ({row.measure} {row.value:.3g})" for row in found[name].flagged)
        print(f"{name}: accuracy {attacked.accuracy:.0%} under gradient descent; flagged: {flags or 'nothing'}")
    return found


if __name__ == "__main__":
    main()
