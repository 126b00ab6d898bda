"""The bases of all layers of a tail, from one pass over the data: sketched singular vectors of their activations.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", section 5.2.2. Rows
are not centred. The sketch is Nystrom's, which keeps the leading directions more precisely than hashing at a cost
that is still small beside the forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx

from corank.compress.reduced.stages import Tail
from corank.errors import InputError
from corank.linalg import Nystrom
from corank.linalg.row_selection import Method, RowSelection, select_rows
from corank.measure import Batches, OnDevice, first_batch
from corank.measure.heldout import HeldOut
from corank.measure.labelling import check_labels
from corank.network import Reader

SKETCH_SIZE = 1024
RECORDED_NUMBERS = 2**29
HELD_OUT_BATCH = 250


@dataclass(frozen=True, kw_only=True, eq=False)
class Basis:
    """What is known of the activations of one layer.

    Attributes:
        singular_values: of the activation matrix over the square root of its samples, descending, float64.
        vectors: `(k, D)` orthonormal rows, the leading right singular vectors.
        energy: the mean square of an activation vector, exactly.
        samples: how many activations.
    """

    singular_values: Tensor
    vectors: Tensor
    energy: float
    samples: int
    _selections: dict[tuple[int, int, Method], RowSelection] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """D, the length of an activation vector."""
        return self.vectors.shape[1]

    def leading(self, rank: int) -> Tensor:
        """`(rank, D)` orthonormal rows: the leading directions, and any others where the data have no more."""
        known = self.vectors[:rank]
        if len(known) == rank:
            return known
        missing = rank - len(known)
        axes = known.double().square().sum(0).sort(stable=True).indices[:missing]  # those that are known least of
        others = torch.zeros(missing, self.features, dtype=torch.float64, device=known.device)
        others[torch.arange(missing, device=known.device), axes] = 1
        complete = torch.linalg.qr(torch.cat([known.double(), others]).T).Q.T
        return torch.cat([known, complete[len(known) :].to(known.dtype)])

    def selected(self, rank: int, count: int, method: Method) -> RowSelection:
        """The features by which the leading directions are told best; each choice is made once."""
        if (rank, count, method) not in self._selections:
            basis = self.leading(rank).T.double()
            self._selections[rank, count, method] = select_rows(basis, count, method=method)
        return self._selections[rank, count, method]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """Some samples as they ran through the original network.

    Attributes:
        inputs: `(m, ...)` of the network.
        labels: `(m,)`.
        start: `(m, D)` values that the tail begins with.
        sources: `(m, D)` of each stage, the values of its linear map.
        logits: `(m, C)`, before any softmax.
    """

    inputs: Tensor
    labels: Tensor
    start: Tensor
    sources: tuple[Tensor, ...]
    logits: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Bases:
    """The bases of a tail's layers, and samples that took no part in them.

    Attributes:
        start: of the values that the tail begins with; None where it was not asked for.
        layers: one a stage.
        samples: that determined them.
        unseen: how many classes none of them belongs to.
        recorded: the first of these samples; None where they were not asked for.
        heldout: batches of inputs of the whole network, with labels.
    """

    start: Basis | None
    layers: tuple[Basis, ...]
    samples: int
    unseen: int
    recorded: Recorded | None
    heldout: tuple[tuple[Tensor, Tensor], ...]

    @property
    def doubts(self) -> list[str]:
        """Why these bases may be those of other data."""
        if not self.unseen:
            return []
        return [f"classes missing among the samples: {self.unseen} (give them in random order, or more of them)"]

    @property
    def samples_heldout(self) -> int:
        """How many samples are held out."""
        return sum(len(labels) for _, labels in self.heldout)


def measure_bases(
    tail: Tail,
    batches: Batches,
    *,
    samples: int | None = None,
    sketch_size: int = SKETCH_SIZE,
    start: bool = False,
    record: bool = False,
) -> Bases:
    """One forward pass over the data.

    Args:
        tail: whose layers are wanted.
        batches: training batches, in random order; every fifth sample, up to a thousand, is held out.
        samples: how many are read; None takes all.
        sketch_size: directions of each layer that are kept, at most; about twice the largest rank wanted.
        start: whether the basis of the values that the tail begins with is wanted too.
        record: whether samples are kept as they ran through the network, as many as two gibibytes hold.

    Raises:
        InputError: no sample, activations that are all zero, a batch of samples of another shape than the first, or a
            label that names no class.
    """
    there = OnDevice(batches, _device(tail))
    first, _ = first_batch(there)
    points, classes = _Points(tail, first), math.prod(tail.layers.shapes[tail.output] or ())
    most = RECORDED_NUMBERS // (tail.features + sum(math.prod(stage.shape_in) for stage in tail.stages)) * record
    sketches: dict[fx.Node, Nystrom] = {}
    recorded: list[Recorded] = []
    held = HeldOut()
    seen, classes_seen = 0, set[int]()
    for number, (x, y) in enumerate(limited(there, samples)):
        _check(number, x, y, first, classes)
        rest, labels = held.take(x, y)
        if not len(labels):
            continue
        assert isinstance(rest, Tensor)
        found, logits = points.read(rest)
        for node in (*([tail.start] if start else []), *(stage.end for stage in tail.stages)):
            if node not in sketches:
                sketches[node] = _sketch(found[node], sketch_size)
            sketches[node].update(found[node])
        if seen < most:
            recorded.append(_recorded(tail, (rest, labels), found, logits, most - seen))
        seen += len(labels)
        classes_seen.update(torch.unique(labels).tolist())
    return Bases(
        start=_basis(sketches[tail.start], "the start") if start else None,
        layers=tuple(_basis(sketches[stage.end], f"layer {stage.label!r}") for stage in tail.stages),
        samples=seen,
        unseen=classes - len(classes_seen),
        recorded=_together(recorded),
        heldout=tuple((x, y) for _, x, y in held.merged(HELD_OUT_BATCH)),
    )


def _check(number: int, x: Tensor, y: Tensor, first: Tensor, classes: int) -> None:
    came, expected = tuple(x.shape[1:]), tuple(first.shape[1:])
    if came != expected:
        raise InputError(f"the samples of batch {number} have shape {came} where those of batch 0 have {expected}")
    try:
        check_labels(y, classes)
    except InputError as error:
        raise InputError(f"batch {number}: {error}") from error


class _Points:
    """The values of a tail's start, sources and ends, read from the running network."""

    def __init__(self, tail: Tail, example: Tensor) -> None:
        self.output = None if tail.closing is None else tail.output
        nodes = [tail.start, *(node for stage in tail.stages for node in (stage.source, stage.end))]
        nodes += [] if self.output is None else [self.output]
        self.input = tail.layers.network.input_node
        self.labels = {node: tail.layers.point(node).label for node in nodes if node is not self.input}
        self.reader = Reader(tail.layers.network, list(dict.fromkeys(self.labels.values())), example)

    def read(self, x: Tensor) -> tuple[dict[fx.Node, Tensor], Tensor]:
        """Rows `(B, D)` by value, and the logits."""
        reading = self.reader.read(x)
        found = {node: reading.activations[label].flatten(1) for node, label in self.labels.items()}
        logits = reading.logits if self.output is None else found[self.output]
        return {self.input: x.flatten(1), **found}, logits


def _recorded(
    tail: Tail, batch: tuple[Tensor, Tensor], found: Mapping[fx.Node, Tensor], logits: Tensor, most: int
) -> Recorded:
    return Recorded(
        inputs=batch[0][:most],
        labels=batch[1][:most],
        start=found[tail.start][:most].clone(),
        sources=tuple(found[stage.source][:most].clone() for stage in tail.stages),
        logits=logits[:most],
    )


def _together(parts: Sequence[Recorded]) -> Recorded | None:
    if not parts:
        return None
    sources = zip(*(part.sources for part in parts), strict=True)
    return Recorded(
        inputs=torch.cat([part.inputs for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
        start=torch.cat([part.start for part in parts]),
        sources=tuple(torch.cat(rows) for rows in sources),
        logits=torch.cat([part.logits for part in parts]),
    )


def _sketch(rows: Tensor, size: int) -> Nystrom:
    kind = torch.float64 if rows.dtype == torch.float64 else torch.float32
    return Nystrom(min(size, rows.shape[1]), rows.shape[1], dtype=kind, device=rows.device)


def _basis(sketch: Nystrom, place: str) -> Basis:
    if sketch.energy == 0:
        raise InputError(f"the activations at {place} are zero for all {sketch.rows_seen} samples: reduce what follows")
    return Basis(
        singular_values=sketch.singular_values / sketch.rows_seen**0.5,
        vectors=sketch.right_vectors,
        energy=sketch.energy / sketch.rows_seen,
        samples=sketch.rows_seen,
    )


def limited(batches: OnDevice, samples: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    """The first so many samples, or all."""
    left = samples
    for x, y in batches:
        yield (x, y) if left is None else (x[:left], y[:left])
        if left is not None:
            left -= min(left, len(y))
            if left == 0:
                return


def _device(tail: Tail) -> torch.device:
    return next(tail.layers.network.parameters(), torch.empty(0)).device
