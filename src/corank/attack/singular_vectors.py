"""(p, q) singular vectors: the direction that moves the features of a layer farthest, over all inputs together.

Khrulkov & Oseledets 2018, "Art of singular vectors and universal adversarial perturbations": v maximises the q-norm of
`J v` among vectors of unit p-norm, J being the layer's Jacobians at the inputs, one upon the other. The power method of
Boyd needs only products, `v <- J^T psi(J v)` with `psi(z) = sign(z) |z|^(q-1)`, of which the steepest direction for the
budget's norm p is taken; the products come from differentiating twice. The classes of the inputs only choose the sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.attack.checks import check_counts, check_positive
from corank.attack.search import Search
from corank.attack.universal import UniversalAttack
from corank.attack.victim import CHUNK
from corank.errors import InputError
from corank.network.adapted import adapted
from corank.network.hooks import Copies, hooked
from corank.network.layers import Layer, Point
from corank.network.points import locate


@final
@dataclass(frozen=True, kw_only=True)
class SingularVectors(UniversalAttack):
    """See the module.

    Args:
        layer: whose output is moved, a name or the number of a convolution; None for the logits.
        q: of the norm in which outputs are measured, at least 1; 10 as published.
        iterations: of the power method, at most.
        tolerance: change of the unit vector, in Euclidean norm, at which it has converged.

    Raises:
        InputError: an option out of range, a layer that there is not.

    Example:
        >>> net = torch.nn.Linear(3, 2, bias=False).eval()
        >>> _ = net.weight.data.copy_(torch.tensor([[3.0, 0.0, 4.0], [0.0, 1.0, 0.0]]))
        >>> x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
        >>> found = SingularVectors(radius=5.0, q=2.0).attack(net, x, net(x).argmax(1))
        >>> [round(abs(number), 3) for number in found.vector.tolist()]
        [3.0, 0.0, 4.0]
    """

    layer: Layer | None = None
    q: float = 10.0
    iterations: int = 20
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(iterations=self.iterations)
        check_positive(tolerance=self.tolerance)
        if not 1 <= self.q < math.inf:
            raise InputError(f"q must be finite and at least 1, got {self.q}")

    def run(self, search: Search) -> str:
        """The power method, from the start or from a random vector."""
        network, points = search.victim.network, tuple[Point, ...]()
        if self.layer is not None:
            found = locate(network, [self.layer], search.x[:2], is_watched=False)
            network, points = found.network, found.points
        v = search.start
        if not bool(v.any()):
            v = torch.randn(v.shape, generator=search.generator, dtype=torch.float64).to(search.x)
        v = _unit(search, v)
        message = f"all {self.iterations} iterations are done"
        for number in range(self.iterations):
            parts = [self._products(search, network, points, part, v) for part in torch.split(search.x, CHUNK)]
            largest = max(own for _, own in parts)
            if largest == 0:
                return "the layer does not change along the vector"
            products = [product * (own / largest) ** (self.q - 1) for product, own in parts]
            before, v = v, _unit(search, torch.stack(products).sum(0))
            if float((v - before).norm() / v.norm()) < self.tolerance:
                message = f"converged after {number + 1} iterations"
                break
        search.tried(*search.budget.at_radius(torch.stack([v, -v])))
        return message

    def _products(
        self, search: Search, network: torch.nn.Module, points: Sequence[Point], x: Tensor, v: Tensor
    ) -> tuple[Tensor, float]:
        """`J^T psi(J v / s)` and the largest entry s of `J v`, which keeps the powers within the numbers."""
        search.spend(2 * len(x))
        search.victim.asked.gradients += 2 * len(x)  # J v costs about as much as J^T u
        with torch.enable_grad():
            offset = torch.zeros_like(v).requires_grad_()
            copies = Copies()
            with hooked(network, points, copies):
                logits = adapted(network)(search.victim.clipped(x + offset))
            output = copies.values[points[0].label] if points else logits
            dual = torch.zeros_like(output).requires_grad_()
            (back,) = torch.autograd.grad(output, offset, dual, create_graph=True)
            (moved,) = torch.autograd.grad(back, dual, v, retain_graph=True)
            largest = float(moved.abs().max())
            scaled = moved / largest if largest > 0 else moved
            (product,) = torch.autograd.grad(output, offset, scaled.sign() * scaled.abs() ** (self.q - 1))
        return product, largest


def _unit(search: Search, v: Tensor) -> Tensor:
    return search.budget.steepest(v[None])[0]
