"""Daulbaev 2023, Figure 5.1 with sec. 5.4.1: the singular values of the outputs of all blocks, over the largest.

The blocks of VGG-19 are its 16 convolutions, each with what follows it up to the next; those of ResNet-56 its first
convolution and its 27 residual blocks. The figure shows curves; here `relative_singular_values` are kept beside how
many of them reach a tenth of the largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench, Wanted
from corank.experiment.recipe import Cell, Claim, Column, Grid, Table, digest, every
from corank.measure import ActivationLayer, ActivationSpectrum
from corank.zoo import Batches

BATCH_SIZE = 64
LARGE = 0.1  # of the largest singular value
VGG19 = tuple(range(1, 17))
RESNET56 = tuple(range(1, 56, 2))


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Under which circumstances the outputs of blocks are measured.

    Attributes:
        network: a name of the zoo.
        data: it learnt.
        teacher_epochs: of its training; None takes a weights file.
        samples: that are measured.
        directions: how many singular values are kept.
        layers: that are measured in one pass, by number.
    """

    network: str
    data: str
    teacher_epochs: int | None = field(default=None, metadata={"none": "those of a weights file"})
    samples: int | None = field(default=None, metadata={"none": "all"})
    directions: int = 200
    layers: tuple[int, ...]


_VGG19 = Outputs(network="vgg19", data="cifar10", teacher_epochs=60, layers=VGG19)
_RESNET56 = replace(_VGG19, network="resnet56", layers=RESNET56)
_SMOKE = Outputs(
    network="vgg_digits", data="digits", teacher_epochs=1, samples=512, directions=40, layers=(1, 2, 3, 4, 5, 6)
)
_VGG19_CELLS = every(network=["vgg19"], layer=VGG19)
_RESNET56_CELLS = every(network=["resnet56"], layer=RESNET56)


def _most_are_small(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether at every layer less than half of the singular values reach a tenth of the largest."""
    return all(2 * row["large_high"] < row["singular_values"] for row in rows) if rows else None


def _deeper_decay_faster(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether, on average, the deeper half of each network that was measured whole has fewer large ones."""
    verdicts = []
    for network, layers in (("vgg19", VGG19), ("resnet56", RESNET56)):
        large = {row["layer"]: row["large"] for row in rows if row["network"] == network}
        if set(large) == set(layers):
            half = len(layers) // 2
            verdicts.append(fmean(large[n] for n in layers[half:]) < fmean(large[n] for n in layers[:half]))
    return all(verdicts) if verdicts else None


TABLE = Table(
    title="Singular values of the outputs of blocks, VGG-19 and ResNet-56 on CIFAR-10",
    axes=("network", "layer"),
    columns=(Column(name="features"), Column(name="singular_values"), Column(name="large")),
    presets={
        "smoke": (Grid(cells=every(network=["vgg_digits"], layer=[1, 6]), options=_SMOKE, stands_in=True),),
        "quick": (
            Grid(
                cells=_VGG19_CELLS,
                options=replace(_VGG19, data="cifar10-jpeg", teacher_epochs=None, samples=2_000),
            ),
            Grid(
                cells=_RESNET56_CELLS,
                options=replace(_RESNET56, data="cifar10-jpeg", teacher_epochs=3, samples=2_000),
            ),
        ),
        "paper": (Grid(cells=_VGG19_CELLS, options=_VGG19), Grid(cells=_RESNET56_CELLS, options=_RESNET56)),
    },
    claims=(
        Claim(quote="most singular values are relatively small", holds=_most_are_small),
        Claim(quote="the singular values decrease very fast for some (deeper) blocks", holds=_deeper_decay_faster),
    ),
)


def run_cell(cell: Cell[Outputs], bench: Bench) -> Mapping[str, Any]:
    """One block: its features, how many singular values there are, and how many reach a tenth of the largest.

    The count has the middle of its certified interval, and `large_low` and `large_high` are its ends.
    """
    options = cell.options
    key = f"thesis/spectra/{options.network}-{options.data}-{digest(asdict(options))}/seed-{cell.seed}"
    found = bench.store.once(key, lambda: _measured(options, bench, cell.seed))
    return next(dict(row) for row in found["layers"] if row["layer"] == cell.axes["layer"])


def _measured(options: Outputs, bench: Bench, seed: int) -> dict[str, Any]:
    teacher = bench.teacher(
        Wanted(
            network=options.network, data=options.data, epochs=options.teacher_epochs,
            train_images=None, test_images=1_000,
        )
    )  # fmt: skip
    measure = ActivationSpectrum(layer=options.layers, rank=options.directions, samples=options.samples, seed=seed)
    batches = Batches(teacher.data.train, BATCH_SIZE, shuffle=True, seed=seed)
    return {"layers": [described(layer) for layer in measure.measure(teacher.network, batches).layers]}


def described(layer: ActivationLayer) -> dict[str, Any]:
    """The numbers of a block; every squared singular value may be larger by `uncertainty`."""
    squares = [value**2 for value in layer.singular_values]
    largest, all_of_them = squares[0], min(layer.width, layer.samples)
    low = sum(square >= LARGE**2 * (largest + layer.uncertainty) for square in squares)
    high = sum(square + layer.uncertainty >= LARGE**2 * largest for square in squares)
    if high == len(squares):  # those that were not kept may be as large as the last one that was
        high = all_of_them
    return {
        "layer": layer.index,
        "features": layer.width,
        "singular_values": all_of_them,
        "large": (low + high) / 2,
        "large_low": low,
        "large_high": high,
        "relative_singular_values": [value / layer.singular_values[0] for value in layer.singular_values],
    }
