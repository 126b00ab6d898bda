"""The network that is attacked, asked in batches, and how often it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from corank.attack.losses import Loss
from corank.network.adapted import adapted

CHUNK = 500  # samples that go through the network together


@dataclass
class Asked:
    """How often a network was asked: samples forward alone, and samples whose gradients were taken."""

    forward: int = 0
    gradients: int = 0


@dataclass(frozen=True, eq=False)
class Victim:
    """A network in evaluation mode; its parameters get no gradients.

    Args:
        network: that returns logits, or something with them.
        bounds: of the inputs, to which perturbed ones are clipped; None leaves them.
    """

    network: nn.Module
    bounds: tuple[float, float] | None = None
    asked: Asked = field(default_factory=Asked)

    def clipped(self, x: Tensor) -> Tensor:
        """Inputs within the bounds, where there are any."""
        return x if self.bounds is None else x.clamp(*self.bounds)

    def open_ways(self, x: Tensor, directions: Tensor) -> Tensor:
        """Directions from inputs without what would lead out of the bounds at once, which clipping takes away."""
        if self.bounds is None:
            return directions
        low, high = self.bounds
        return directions.masked_fill(((x <= low) & (directions < 0)) | ((x >= high) & (directions > 0)), 0.0)

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """Of inputs `(m, ...)`, in batches."""
        self.asked.forward += len(x)
        network = adapted(self.network)
        return torch.cat([network(part) for part in torch.split(x, CHUNK)])

    def classes(self, x: Tensor) -> Tensor:
        """The classes that inputs are put into, `(m,)`."""
        return self.logits(x).argmax(1)

    def classes_under(self, x: Tensor, perturbations: Sequence[Tensor]) -> Tensor:
        """The classes of all inputs under each of some perturbations, which go through together: `(p, m)`."""
        moved = torch.cat([self.clipped(x + one) for one in perturbations])
        return self.classes(moved).reshape(len(perturbations), len(x))

    def gradients(self, x: Tensor, classes: Tensor, loss: Loss) -> Tensor:
        """The gradient of each sample's loss in its input, `(m, ...)`."""
        return self.seen(x, classes, loss)[2]

    def seen(self, x: Tensor, classes: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
        """Logits `(m, C)`, each sample's loss `(m,)` and its gradient in the input `(m, ...)`, in one pass."""
        self.asked.gradients += len(x)
        network = adapted(self.network)
        parts = []
        for part, own in zip(torch.split(x, CHUNK), torch.split(classes, CHUNK), strict=True):
            given = part.detach().requires_grad_()
            with torch.enable_grad():
                logits = network(given)
                losses = loss(logits, own)
            parts.append((logits.detach(), losses.detach(), _gradient(losses, given)))
        logits, losses, gradients = (torch.cat(column) for column in zip(*parts, strict=True))
        return logits, losses, gradients


def _gradient(losses: Tensor, given: Tensor) -> Tensor:
    """Zeros where a network cuts its inputs off from its outputs, as some that hide their gradients do."""
    if not losses.requires_grad:
        return torch.zeros_like(given)
    (gradient,) = torch.autograd.grad(losses.sum(), given, materialize_grads=True)
    return gradient
