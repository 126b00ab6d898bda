"""Ranks for all layers at once: what a multiply-add more is spent on where it holds most energy.

Layers are widened one after the other, each time the one that gains the largest share of its energy for what it costs.
So the ranks of a small network are among those of every larger one, and the way there can be searched by bisection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from corank.compress.reduced.bases import Basis
from corank.compress.reduced.sizes import Shape, Size
from corank.network import Cost

STEP = 0.03  # of a layer's width, at least one multiple


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Sizes of all layers.

    Attributes:
        sizes: one a layer.
        cost: of the layers and the output.
        missed: the sum over the layers of the share of energy that their directions miss.
        projected: directions of the start through which it is read; None where it is read whole.
    """

    sizes: tuple[Size, ...]
    cost: Cost
    missed: float
    projected: int | None


def allocations(
    shape: Shape, bases: Sequence[Basis], *, rows: float, multiple: int, element_size: int = 4
) -> list[Allocation]:
    """From the narrowest layers to the widest, in order of ascending cost.

    Args:
        shape: of the tail.
        bases: of its layers.
        rows: features kept a direction.
        multiple: of which the number of kept features is one.
        element_size: bytes of a number.
    """
    shares = [(basis.singular_values.square().cumsum(0) / basis.energy).clamp(max=1) for basis in bases]
    ranks = [min(len(share), max(1, int(multiple / rows))) for share in shares]
    cost = shape.cost(shape.sized(ranks, rows=rows, multiple=multiple), element_size)
    found: list[Allocation] = []
    while True:
        sizes = shape.sized(ranks, rows=rows, multiple=multiple)
        missed = sum(1 - float(share[rank - 1]) for share, rank in zip(shares, ranks, strict=True))
        found.append(Allocation(sizes=sizes, cost=cost, missed=missed, projected=shape.projected))
        steps = []
        for place, (rank, share) in enumerate(zip(ranks, shares, strict=True)):
            wider = _wider(rank, share, rows, multiple)
            if wider > rank:
                tried = [*ranks[:place], wider, *ranks[place + 1 :]]
                price = shape.cost(shape.sized(tried, rows=rows, multiple=multiple), element_size)
                gain = float(share[wider - 1] - share[rank - 1])
                steps.append((gain / max(price.multiply_adds - cost.multiply_adds, 1), place, tried, price))
        if not steps:
            return found
        _, _, ranks, cost = max(steps)


def _wider(rank: int, share: Tensor, rows: float, multiple: int) -> int:
    """The next rank of a layer whose directions hold these shares of its energy."""
    kept = max(int(rank * STEP * rows), 1)
    added = -(-kept // multiple) * multiple
    return min(len(share), rank + max(1, int(added / rows)))
