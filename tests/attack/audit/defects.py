"""Networks with one planted defect each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Around(nn.Module):
    """A network with something before and after it."""

    def __init__(
        self,
        network: nn.Module,
        before: Callable[[Tensor], Tensor] = lambda x: x,
        after: Callable[[Tensor], Tensor] = lambda logits: logits,
    ) -> None:
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.network(self.before(x)))


class _Halved(torch.autograd.Function):
    """Passes inputs on, and half of the gradient of every other pixel back."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        wrong = gradient.clone()
        wrong[..., ::2] /= 2
        return wrong


def wrong_backward(network: nn.Module) -> nn.Module:
    """A custom backward pass that disagrees with the forward pass."""
    return Around(network, before=_Halved.apply)


def softmaxed(network: nn.Module) -> nn.Module:
    """Probabilities instead of logits."""
    return Around(network, after=lambda logits: logits.softmax(1))


def undefined(network: nn.Module) -> nn.Module:
    """Gradients that are no numbers: of a root at zero."""
    return Around(network, before=lambda x: x + 0.0 * (0.0 * x).sqrt())


def batch_dependent(network: nn.Module) -> nn.Module:
    """Answers that hang on what else is in the batch."""
    return Around(network, before=lambda x: x - 3 * x.mean(0, keepdim=True))


def rippled(network: nn.Module) -> nn.Module:
    """Waves on the surface of the loss, much shorter than the radius."""
    return Around(network, before=lambda x: x + 0.05 * (3000 * x).sin())


def saturated(network: nn.Module) -> nn.Module:
    """Logits that do not grow any more, a short way from the boundary."""
    return Around(network, after=lambda logits: (0.5 * logits).tanh())


def broken_off_grid(network: nn.Module) -> nn.Module:
    """No gradient at all, and wrong on every image whose pixels are not whole sixteenths."""

    def judged(x: Tensor) -> Tensor:
        logits = network(x).detach()
        off = (16 * x - (16 * x).round()).abs().flatten(1).mean(1, keepdim=True) > 0.05
        return torch.where(off, -logits, logits)

    class Judged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            return judged(x)

    return Judged()
