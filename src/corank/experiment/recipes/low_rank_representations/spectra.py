"""How much of the energy of activations lies in few directions (Sanyal et al. 2020, Figures 2, 5, 6 and 7).

Energies are of rows as they are, not centred, as in the paper's ratio of squared singular values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from corank.experiment.bench import EVALUATION_BATCH, Bench, thinned
from corank.experiment.recipe import Cell, Column, Grid, digest, every
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    MNIST,
    MODELS,
    ONE,
    PLAIN,
    SMALL,
    TWO,
    Comparing,
    exceeds,
    together,
)
from corank.measure import ActivationSpectrum
from corank.zoo import Batches

BEFORE_THE_CLASSIFIER, BEFORE_THE_LAST_STAGE = "before the classifier", "before the last stage"
PLACES = (BEFORE_THE_CLASSIFIER, BEFORE_THE_LAST_STAGE)
COUNTS = (1, 5, 10, 20, 50)
RATIOS = tuple(Column(name=f"in_the_first_{count}", better="higher") for count in COUNTS)
OF_CLASSES = tuple(Column(name=f"{which}_of_classes", better="higher") for which in ("least", "mean", "largest"))
AXES = ("place", "model")
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Whose activations are looked at.

    Attributes:
        comparing: the networks.
        images: of the training split; every fifth, a thousand at most, tells the first directions of the classes.
    """

    comparing: Comparing
    images: int = 50_000


MNIST_SPREAD = Spread(comparing=MNIST, images=4096)
SMALL_SPREAD = Spread(comparing=SMALL, images=300)


def grid(options: Spread, *, models: Sequence[str] = MODELS, stands_in: bool = False) -> Grid[Spread]:
    """Both places in every model."""
    return Grid(cells=every(place=PLACES, model=models), options=options, stands_in=stands_in)


def spread_row(cell: Cell[Spread], bench: Bench) -> dict[str, Any]:
    """All columns above for one place in one model; each model is measured once."""
    options, model = cell.options, str(cell.axes["model"])
    key = f"low_rank_representations/spread/{digest([asdict(options), model])}/seed-{cell.seed}"
    found = bench.store.once(key, lambda: _spread(options, model, cell.seed, bench))
    return dict(found[str(cell.axes["place"])])


def leaks_less(rows: Sequence[Row]) -> bool | None:
    """Whether fewer directions carry more at each place where a model has a low-rank layer, than in the plain one."""
    has_layer = [row for row in rows if row["place"] == BEFORE_THE_CLASSIFIER or row["model"] != ONE]
    return together([exceeds(has_layer, column.name, model) for model in DEFENDED for column in RATIOS])


def leaks_hardly(rows: Sequence[Row]) -> bool | None:
    """Whether ten directions carry 99 % of what the classifiers of models with low-rank layers read."""
    found = [
        row["in_the_first_10"]
        for row in rows
        if row["model"] in DEFENDED and row["place"] == BEFORE_THE_CLASSIFIER
    ]  # fmt: skip
    return min(found) > 0.99 if found else None


def is_alone(rows: Sequence[Row]) -> bool | None:
    """Whether before the last stage 2-LR needs fewer directions than both other models."""
    found = [row for row in rows if row["place"] == BEFORE_THE_LAST_STAGE]
    return together([exceeds(found, column.name, TWO, other) for other in (PLAIN, ONE) for column in RATIOS])


def _spread(options: Spread, model: str, seed: int, bench: Bench) -> dict[str, Any]:
    comparing = options.comparing
    teacher = comparing.trained(model, bench)
    bench.report(f"{model}: the spectra of its activations")
    layers = (comparing.last, comparing.deep)
    measure = ActivationSpectrum(layer=layers, rank=max(COUNTS), samples=options.images, epsilon=0.01, seed=seed)
    images = thinned(teacher.data.train, options.images)
    measured = {one.layer: one for one in measure.measure(teacher.network, Batches(images, EVALUATION_BATCH)).layers}
    found = {}
    for place, layer in zip(PLACES, layers, strict=True):
        ratios = measured[layer].variance_ratios
        classes = [share for share in measured[layer].class_variance_ratios if share is not None]
        found[place] = {
            **{column.name: ratios[min(count, len(ratios)) - 1] for column, count in zip(RATIOS, COUNTS, strict=True)},
            **dict(zip((column.name for column in OF_CLASSES), (min(classes), fmean(classes), max(classes)),
                       strict=True)),
        }  # fmt: skip
    return found
