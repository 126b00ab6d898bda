"""The network that is attacked, asked in batches, and how often it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.network.adapted import adapted

CHUNK = 500
Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits `(m, C)` and classes `(m,)` to one number a sample."""


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
        self.asked.gradients += len(x)
        network = adapted(self.network)
        found = []
        for part, targets in zip(torch.split(x, CHUNK), torch.split(classes, CHUNK), strict=True):
            given = part.detach().requires_grad_()
            with torch.enable_grad():
                total = loss(network(given), targets).sum()
                (gradient,) = torch.autograd.grad(total, given)
            found.append(gradient)
        return torch.cat(found)


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Minus the logarithm of the probability of each class."""
    return functional.cross_entropy(logits, classes, reduction="none")


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """How far the best other logit lies above that of each class: positive where it is not the largest."""
    own = logits.gather(1, classes[:, None])
    others = logits.scatter(1, classes[:, None], -torch.inf)
    return others.amax(1) - own[:, 0]
