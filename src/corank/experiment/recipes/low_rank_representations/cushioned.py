"""Layer cushions of networks with and without low-rank layers (Sanyal et al. 2020, Figures 4c, 12-15 and 17-20).

The figures are histograms of `|W phi(x)| / (|W|_F |phi(x)|)` over the images; here their quantiles, of which the least
is the cushion. `|W|_F` is that of the linear map that a convolution applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from corank.experiment.bench import EVALUATION_BATCH, Bench, thinned
from corank.experiment.recipe import Cell, Column, Grid, digest, every
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    MNIST,
    MODELS,
    PLAIN,
    RESNET18,
    RESNET18_SVHN,
    SMALL,
    UNTRAINED,
    Comparing,
    exceeds,
    together,
)
from corank.measure import LayerCushion
from corank.zoo import Batches

CUSHION = Column(name="cushion", better="higher")
MEDIAN = Column(name="median", better="higher")
LOW, HIGH = Column(name="quantile_5"), Column(name="quantile_95")
COLUMNS = (CUSHION, LOW, MEDIAN, HIGH)
AXES = ("layer", "model")
SHOWN = (*MODELS, UNTRAINED)
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cushioned:
    """Whose layers are measured.

    Attributes:
        comparing: the networks.
        images: of the training split.
    """

    comparing: Comparing
    images: int = 50_000


CIFAR10_CUSHIONS = Cushioned(comparing=RESNET18)
SVHN_CUSHIONS = Cushioned(comparing=RESNET18_SVHN)
MNIST_CUSHIONS = Cushioned(comparing=MNIST, images=4096)
SMALL_CUSHIONS = Cushioned(comparing=SMALL, images=200)
_MNIST_LAYERS = ("conv1", "conv2", "fc1", "fc2")
_SMALL_LAYERS = (("features.0", "features.3"), ("features.7", "features.10"), ("features.14", "features.17"))


def grid(
    options: Cushioned, layers: Sequence[str], *, models: Sequence[str] = SHOWN, stands_in: bool = False
) -> Grid[Cushioned]:
    """Some layers of every model."""
    return Grid(cells=every(layer=layers, model=models), options=options, stands_in=stands_in)


def stage_presets(stage: int, options: Cushioned) -> dict[str, tuple[Grid[Cushioned], ...]]:
    """The four convolutions of a stage of ResNet-18, from 1; a small network has a layer or two in their place."""
    small = (*_SMALL_LAYERS, ("classifier",))[stage - 1]
    convolutions = [f"layer{stage}.{block}.conv{number}" for block in (0, 1) for number in (1, 2)]
    return {
        "smoke": (grid(SMALL_CUSHIONS, small, models=(PLAIN, UNTRAINED), stands_in=True),),
        "quick": (grid(MNIST_CUSHIONS, _MNIST_LAYERS[stage - 1 : stage], stands_in=True),),
        "paper": (grid(options, convolutions),),
    }


def cushion_row(cell: Cell[Cushioned], bench: Bench) -> dict[str, Any]:
    """All columns above for one layer of one model; each model is measured once."""
    options, model = cell.options, str(cell.axes["model"])
    key = f"low_rank_representations/cushions/{digest([asdict(options), model])}/seed-{cell.seed}"
    found = bench.store.once(key, lambda: _cushions(options, model, cell.seed, bench))
    return dict(found[str(cell.axes["layer"])])


def are_to_the_right(rows: Sequence[Row]) -> bool | None:
    """Whether half the images of both models with low-rank layers have larger ratios than half of the plain one's."""
    return together([exceeds(rows, MEDIAN.name, model) for model in DEFENDED])


def plain_is_right_of_untrained(rows: Sequence[Row]) -> bool | None:
    """Whether half the images of the plain model have larger ratios than half of the untrained one's."""
    return exceeds(rows, MEDIAN.name, PLAIN, UNTRAINED)


def _cushions(options: Cushioned, model: str, seed: int, bench: Bench) -> dict[str, Any]:
    teacher = options.comparing.trained(model, bench)
    bench.report(f"{model}: the cushions of its layers")
    images = thinned(teacher.data.train, options.images)
    measure = LayerCushion(samples=options.images, seed=seed)
    found = measure.measure(teacher.network, Batches(images, EVALUATION_BATCH))
    return {
        one.layer: {
            CUSHION.name: one.cushion, LOW.name: one.quantiles[1], MEDIAN.name: one.median,
            HIGH.name: one.quantiles[-2],
        }
        for one in found.layers
    }  # fmt: skip
