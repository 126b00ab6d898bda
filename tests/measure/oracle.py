"""The active subspace as its definition says, one sample at a time in float64, to compare with."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

EVERY = 5
Data = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Exact:
    """The gradients `(m, n)` of the samples that count and of those held out."""

    gradients: Tensor
    heldout: Tensor

    @property
    def covariance(self) -> Tensor:
        return self.gradients.T @ self.gradients / len(self.gradients)

    @property
    def eigenvalues(self) -> Tensor:
        return torch.linalg.eigvalsh(self.covariance).flip(0).clamp(min=0)

    @property
    def eigenvectors(self) -> Tensor:
        """As columns, in the order of the eigenvalues."""
        return torch.linalg.eigh(self.covariance).eigenvectors.flip(1)


def exact(network: nn.Sequential, layer: int, data: Data, samples: int | None = None) -> Exact:
    """Gradients of the cross entropy at the output of `network[layer]`."""
    twin = copy.deepcopy(network).double().eval()
    for parameter in twin.parameters():
        parameter.requires_grad_(False)
    first, rest = twin[: layer + 1], twin[layer + 1 :]
    xs, ys = torch.cat([x for x, _ in data]), torch.cat([y for _, y in data])
    rows = []
    for x, y in zip(xs, ys, strict=True):
        value = first(x[None].double()).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(functional.cross_entropy(rest(value), y[None]), value)
        rows.append(gradient.flatten())
    gradients = torch.stack(rows)
    is_held = torch.arange(len(gradients)) % EVERY == EVERY - 1
    return Exact(gradients[~is_held][:samples], gradients[is_held])
