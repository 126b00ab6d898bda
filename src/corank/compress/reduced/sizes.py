"""How wide the layers of a reduced-order network are, and what that costs before anything is built.

A layer of rank R keeps P features, R <= P <= 2 R. The map from one layer to the next is one P' x P matrix, or where
that is cheaper, as behind a max-pooling whose windows multiply P', a matrix to the R coordinates and others from there
(Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", eq. 5.13 and 5.14).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from corank.network import Cost


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of one layer.

    Attributes:
        rank: directions kept, R.
        rows: features kept, P.
        width: rows of the maps into it.
    """

    rank: int
    rows: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the sizes of a tail's layers are chosen within.

    Attributes:
        features: of each layer's end, D.
        windows: inputs of one feature of each, more than 1 behind max-poolings.
        sources: which layers each reads; -1 is the start.
        start: features of the start.
        projected: directions of the start through which it is read; None where it is read whole.
        outputs: of the network.
        output_sources: which layers the output reads.
    """

    features: tuple[int, ...]
    windows: tuple[int, ...]
    sources: tuple[tuple[int, ...], ...]
    start: int
    projected: int | None
    outputs: int
    output_sources: tuple[int, ...]

    def sized(self, ranks: Sequence[int], *, rows: float, multiple: int) -> tuple[Size, ...]:
        """The sizes that follow from ranks; none keeps more features than there are.

        Args:
            ranks: one a layer.
            rows: features kept a direction.
            multiple: their number is rounded up to a multiple of it.
        """
        found = []
        for rank, features, window in zip(ranks, self.features, self.windows, strict=True):
            kept = min(features, math.ceil(at_least(rows * rank) / multiple) * multiple)
            found.append(Size(rank=min(rank, features), rows=kept, width=kept * window))
        return tuple(found)

    def is_factored(self, sizes: Sequence[Size]) -> tuple[bool, ...]:
        """Of each layer, whether its readers take its R coordinates rather than its P features."""
        into = self._read_by(sizes)
        return tuple(
            size.rank * (size.rows + rows_read) < size.rows * rows_read
            for size, rows_read in zip(sizes, into, strict=True)
        )

    def cost(self, sizes: Sequence[Size], element_size: int = 4, *, batch_norm: bool = False) -> Cost:
        """What layers of these sizes cost, the output map included.

        Args:
            sizes: one a layer.
            element_size: bytes of a number.
            batch_norm: whether each layer has one.
        """
        from_start = sum(size.width for size, read in zip(sizes, self.sources, strict=True) if -1 in read)
        from_start += self.outputs if -1 in self.output_sources else 0
        matrices = from_start * (self.projected or self.start) + (self.projected or 0) * self.start
        for size, is_factored, rows_read in zip(sizes, self.is_factored(sizes), self._read_by(sizes), strict=True):
            matrices += size.rank * (size.rows + rows_read) if is_factored else size.rows * rows_read
        biases = sum(size.width for size in sizes) * (3 if batch_norm else 1) + self.outputs
        parameters = matrices + biases
        return Cost(parameters=parameters, storage_bytes=parameters * element_size, multiply_adds=matrices)

    def _read_by(self, sizes: Sequence[Size]) -> list[int]:
        """Of each layer, how many rows the maps have that read it."""
        readers = [0] * len(sizes)
        for width, read in [
            *((size.width, read) for size, read in zip(sizes, self.sources, strict=True)),
            (self.outputs, self.output_sources),
        ]:
            for place in read:
                if place >= 0:
                    readers[place] += width
        return readers


def at_least(count: float) -> int:
    """The next whole number, or the one that a product is but for rounding.

    Example:
        >>> 1.1 * 50, at_least(1.1 * 50), at_least(55.1)
        (55.00000000000001, 55, 56)
    """
    return math.ceil(count * (1 - 1e-12))
