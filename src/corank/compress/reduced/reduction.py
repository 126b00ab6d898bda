"""From a tail and the bases of its layers to small networks of any ranks.

The linear maps are applied to each whole basis once; a network of smaller ranks takes the leading part of the products
(Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", Algorithm 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from corank.compress.reduced.affine import AffineMap
from corank.compress.reduced.bases import Bases
from corank.compress.reduced.sizes import Shape, Size
from corank.compress.reduced.stages import Tail
from corank.compress.reduced.student import START, DenseLayer, DenseTail, layer_names
from corank.linalg.row_selection import Method as SelectionName
from corank.linalg.row_selection import RowSelection

BEGINNING = -1  # the start among the places of the stages


@dataclass(frozen=True, kw_only=True, eq=False)
class Reduced:
    """A small network in place of a tail.

    Attributes:
        network: the small network.
        sizes: of its layers.
        selections: the kept features of each layer.
        inputs: of each layer, the places in its source that its maps compute.
        inverses: `(R, P)` of each layer, `(S V)^+`: from kept features to coordinates.
    """

    network: DenseTail
    sizes: tuple[Size, ...]
    selections: tuple[RowSelection, ...]
    inputs: tuple[Tensor, ...]
    inverses: tuple[Tensor, ...]


class Reduction:
    """What all small networks of one tail have in common.

    Args:
        tail: that is to be reduced.
        bases: of its layers.
        ranks: the largest of each layer that will be asked for.
        projected: directions of the start through which the layers read it; None where they read it whole.
    """

    def __init__(self, tail: Tail, bases: Bases, ranks: Sequence[int], *, projected: int | None = None) -> None:
        self.tail = tail
        self.bases = bases.layers
        self.names = layer_names([stage.label for stage in tail.stages])
        self.vectors = {
            place: basis.leading(rank) for place, (basis, rank) in enumerate(zip(bases.layers, ranks, strict=True))
        }
        if projected is not None:
            assert bases.start is not None
            self.vectors[BEGINNING] = bases.start.leading(projected)
        self._pushed: dict[tuple[int, int], Tensor] = {}

    @cached_property
    def maps(self) -> tuple[AffineMap, ...]:
        """The linear map into every stage, and last that to the output."""
        ends = [self.tail.start]
        found = []
        for stage in self.tail.stages:
            found.append(AffineMap(self.tail, stage.source, ends))
            ends.append(stage.end)
        return (*found, AffineMap(self.tail, self.tail.output, ends))

    @cached_property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """The places of the stages that each map reads; -1 is the start."""
        places = {stage.end: place for place, stage in enumerate(self.tail.stages)} | {self.tail.start: BEGINNING}
        return tuple(tuple(places[node] for node in one.sources) for one in self.maps)

    @cached_property
    def shape(self) -> Shape:
        """What sizes are chosen within, and what they cost."""
        projection = self.vectors.get(BEGINNING)
        return Shape(
            features=tuple(stage.features for stage in self.tail.stages),
            windows=tuple(stage.window for stage in self.tail.stages),
            sources=self.sources[:-1],
            start=self.tail.features,
            projected=None if projection is None else len(projection),
            outputs=len(self.maps[-1].offset()),
            output_sources=self.sources[-1],
        )

    @property
    def is_projected(self) -> bool:
        """Whether the start is read through some directions, not whole."""
        return BEGINNING in self.vectors

    def build(self, sizes: Sequence[Size], *, selection: SelectionName = "volume", dropout: float = 0.0) -> Reduced:
        """The small network of some sizes.

        Args:
            sizes: one a layer, no rank above the largest.
            selection: how features are chosen.
            dropout: share of them that training leaves out.
        """
        chosen = [
            basis.selected(size.rank, size.rows, selection) for basis, size in zip(self.bases, sizes, strict=True)
        ]
        inverses = [torch.linalg.pinv(self._basis(place, size)[rows.rows]) for place, (size, rows) in
                    enumerate(zip(sizes, chosen, strict=True))]  # fmt: skip
        factored = self.shape.is_factored(sizes)
        read = {place: inverse for place, inverse in enumerate(inverses) if not factored[place]}
        like = self.vectors[0]
        sampled = [stage.sampled(rows.rows.cpu()) for stage, rows in zip(self.tail.stages, chosen, strict=True)]
        inputs = [places.to(like.device) for places, _ in sampled]
        layers: dict[str, DenseLayer] = {}
        for place, (_, steps) in enumerate(sampled):
            layers[self.names[place]] = DenseLayer(
                self._matrices(place, inputs[place], sizes, read),
                self.maps[place].offset()[inputs[place]],
                steps,
                inverses[place].to(like.dtype) if factored[place] else None,
                dropout,
            )
        everything = torch.arange(self.shape.outputs, device=like.device)
        output = DenseLayer(self._matrices(len(sizes), everything, sizes, read), self.maps[-1].offset())
        network = DenseTail(layers, output, self.vectors.get(BEGINNING), self.tail.closing)
        return Reduced(
            network=network.eval(), sizes=tuple(sizes),
            selections=tuple(chosen), inputs=tuple(inputs),
            inverses=tuple(inverse.to(like.dtype) for inverse in inverses),
        )  # fmt: skip

    def hollow(self, sizes: Sequence[Size]) -> DenseTail:
        """A network of some sizes with zeros for numbers, to be timed."""
        like, factored = self.vectors[0], self.shape.is_factored(sizes)
        start = self.shape.projected or self.shape.start
        read = {self.names[place]: size.rank if factored[place] else size.rows for place, size in enumerate(sizes)}
        read[START] = start

        def zeros(place: int, width: int) -> dict[str, Tensor]:
            names = [START if source == BEGINNING else self.names[source] for source in self.sources[place]]
            return {name: like.new_zeros(width, read[name]) for name in names}

        layers = {}
        for place, (stage, size) in enumerate(zip(self.tail.stages, sizes, strict=True)):
            coordinates = like.new_zeros(size.rank, size.rows) if factored[place] else None
            _, steps = stage.sampled(torch.arange(size.rows))
            layers[self.names[place]] = DenseLayer(
                zeros(place, size.width), like.new_zeros(size.width), steps, coordinates
            )
        output = DenseLayer(zeros(len(sizes), self.shape.outputs), like.new_zeros(self.shape.outputs))
        projection = like.new_zeros(start, self.shape.start) if self.is_projected else None
        return DenseTail(layers, output, projection, self.tail.closing).eval()

    def _basis(self, place: int, size: Size) -> Tensor:
        """`(D, R)` in float64."""
        return self.vectors[place][: size.rank].T.double()

    def _matrices(self, place: int, rows: Tensor, sizes: Sequence[Size], read: dict[int, Tensor]) -> dict[str, Tensor]:
        """Rows of the maps from what earlier layers hand on, by the names of these."""
        found = {}
        for number, source in enumerate(self.sources[place]):
            name = START if source == BEGINNING else self.names[source]
            if source not in self.vectors:
                found[name] = self.maps[place].pull(number, rows)
                continue
            rank = len(self.vectors[source]) if source == BEGINNING else sizes[source].rank
            matrix = self._products(place, number)[:rank][:, rows].T
            inverse = read.get(source)
            found[name] = matrix if inverse is None else (matrix.double() @ inverse).to(matrix.dtype)
        return found

    def _products(self, place: int, number: int) -> Tensor:
        """The products of a map with the whole basis of one of its sources, `(R, D)`."""
        if (place, number) not in self._pushed:
            source = self.sources[place][number]
            self._pushed[place, number] = self.maps[place].push(number, self.vectors[source])
        return self._pushed[place, number]
