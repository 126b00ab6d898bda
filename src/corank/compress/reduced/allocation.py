"""Ranks for all layers at once: what a multiply-add more is spent on where it holds most energy.

Layers are widened one after the other, each time the one that gains the largest share of its energy for what it costs.
So the ranks of a small network are among those of every larger one, and the way there can be searched by bisection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
    shares = [(basis.singular_values.square().cumsum(0) / basis.energy).clamp(max=1).tolist() for basis in bases]
    ranks = [min(len(share), max(1, int(multiple / rows))) for share in shares]
    sizes = shape.sized(ranks, rows=rows, multiple=multiple)
    steps: dict[int, tuple[float, int]] = {}  # of a layer what widening it gains for what it costs, and to which rank
    affected: Iterable[int] = range(len(ranks))
    found: list[Allocation] = []
    while True:
        cost = shape.cost(sizes, element_size)
        missed = sum(1 - share[rank - 1] for share, rank in zip(shares, ranks, strict=True))
        found.append(Allocation(sizes=sizes, cost=cost, missed=missed, projected=shape.projected))
        for place in affected:
            wider = _wider(ranks[place], len(shares[place]), rows, multiple)
            if wider == ranks[place]:
                steps.pop(place, None)
                continue
            tried = shape.sized([*ranks[:place], wider, *ranks[place + 1 :]], rows=rows, multiple=multiple)
            price = shape.cost(tried, element_size).multiply_adds - cost.multiply_adds
            gain = shares[place][wider - 1] - shares[place][ranks[place] - 1]
            steps[place] = gain / max(price, 1), wider
        if not steps:
            return found
        best = max(steps, key=lambda place: (steps[place][0], place))
        ranks[best] = steps[best][1]
        sizes = shape.sized(ranks, rows=rows, multiple=multiple)
        affected = _repriced(shape, best)


def _repriced(shape: Shape, place: int) -> set[int]:
    """The layers that cost more or less to widen after one was: it, those it reads, and all who read it or these."""
    read = {place, *(source for source in shape.sources[place] if source >= 0)}
    return read | {reader for reader, sources in enumerate(shape.sources) if read & set(sources)}


def _wider(rank: int, most: int, rows: float, multiple: int) -> int:
    """The next rank of a layer of which so many directions are known."""
    kept = max(int(rank * STEP * rows), 1)
    added = -(-kept // multiple) * multiple
    return min(most, rank + max(1, int(added / rows)))
