"""The diagnosis of a network: for each input what the network looks at, what was foretold, and what attacks found.

Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers, sections 5 and
6, for any classifier and any inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corank.attack.victim import Victim
from corank.errors import InputError
from corank.experiment.attack_setting import Attacked, rows_drawn
from corank.experiment.fragility.agreement import agreements, gain
from corank.experiment.fragility.ends import Ends, given_end, nearest_ends
from corank.experiment.fragility.fragility import ClassFragility, Extreme, FragileInput, Fragility, column
from corank.experiment.fragility.options import Diagnosing
from corank.experiment.fragility.smallest import Smallest, smallest_found
from corank.measure import (
    BoundaryForecast,
    CompressedPair,
    FeatureCompression,
    Pairs,
    boundary_forecast,
    feature_compression,
)
from corank.train.evaluate import device_of
from corank.train.progress import stage
from corank.zoo import Dataset
from corank.zoo.data.batches import to_pixels
from corank.zoo.data.picture import read_picture
from corank.zoo.data.subset import label_of


def diagnosed(
    attacked: Attacked,
    dataset: Dataset,
    options: Diagnosing,
    *,
    folder: Path | None = None,
    told: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> Fragility:
    """Diagnose a network on images of the test split.

    Args:
        attacked: the network in pixel space; it comes back unchanged.
        dataset: of which examples of other classes are training images.
        options: which images, where their paths lead.
        folder: where perturbations are kept while they are searched; None for nowhere.
        told: the options that make this diagnosis, as they are kept there.
        overwrite: whether those of another one there may be deleted.
        report: told of every stage as it begins.

    Raises:
        InputError: an option that does not fit, no image that the network gets right, nothing to tell classes by.
    """
    aim = _aimed(attacked, dataset, options)
    with stage("fragility") as said:

        def begin(words: str) -> None:
            report(words)
            said(f"fragility: {words}")

        begin("nearest examples of another class")
        chosen = _chosen(attacked, dataset, options, aim)
        begin(f"{options.points} points on each of {len(chosen.ends.pairs):,} paths")
        compression = feature_compression(
            attacked.network, chosen.ends.pairs, points=options.points, bounds=dataset.bounds
        )
        kept = torch.tensor([pair.input for pair in compression.pairs])
        pairs = _of(chosen.ends.pairs, kept)
        begin(f"foretelling the smallest perturbations of {len(pairs):,} images")
        anywhere, aimed = (
            boundary_forecast(
                attacked.network, pairs.starts, pairs.start_classes, bounds=attacked.bounds, towards=towards
            )
            for towards in (None, pairs.end_classes)
        )  # fmt: skip
        begin(f"looking for the smallest perturbations of {len(pairs):,} images")
        smallest = smallest_found(
            attacked, pairs, steps=options.steps, seed=options.seed, folder=folder, options=told, overwrite=overwrite,
            told=lambda done: said(f"fragility: smallest perturbations, {done:,} of {len(pairs):,} images"),
        )  # fmt: skip
    images = _images(compression.pairs, chosen, kept, anywhere, aimed, smallest)
    return _concluded(images, chosen, pairs, smallest, compression)


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The images and their paths.

    Attributes:
        rows: `(m,)` places of the images in the test split.
        ends: their paths.
        misclassified: images that were left out.
    """

    rows: Tensor
    ends: Ends
    misclassified: int


@dataclass(frozen=True, eq=False)
class _Aim:
    """Which images are drawn and where their paths lead.

    Attributes:
        label: of the only class of the images; None for all.
        target: the class that paths lead to; None for the nearest other.
        image: that all paths lead to; None for training examples.
    """

    label: int | None
    target: int | None
    image: Tensor | None


def _aimed(attacked: Attacked, dataset: Dataset, options: Diagnosing) -> _Aim:
    """What the options name, before any work.

    Raises:
        InputError: no such class or image, or both ends of paths in one class.
    """
    label = None if options.class_ is None else label_of(dataset, options.class_)
    target = None if options.target_class is None else label_of(dataset, options.target_class)
    image = None
    if options.towards is not None:
        image = read_picture(options.towards, dataset.shape, dataset.bounds).to(device_of(attacked.network))
        target = int(Victim(attacked.network).classes(image[None])[0])
    if label is not None and label == target:
        raise InputError(f"a path must lead to another class, both ends are of class {dataset.class_names[label]!r}")
    return _Aim(label, target, image)


def _chosen(attacked: Attacked, dataset: Dataset, options: Diagnosing, aim: _Aim) -> _Chosen:
    """The images that the network gets right, and where their paths lead."""
    device, network = device_of(attacked.network), attacked.network
    rows = rows_drawn(dataset.test, options.images, label=aim.label, other_than=aim.target, seed=options.seed)
    drawn = dataset.test.select(rows)
    x, labels = to_pixels(drawn.images).to(device), drawn.labels.to(device)
    logits = Victim(network).logits(x)
    if not bool(logits.isfinite().all()):
        place = int((~logits.isfinite().all(1)).nonzero()[0, 0])
        raise InputError(f"the logits of the network must be finite, those of test image {int(rows[place])} are not")
    is_right = logits.argmax(1) == labels
    if not bool(is_right.any()):
        outputs = logits.shape[1]
        raise InputError(
            f"the network gets none of {len(x)} images right: train it, or check that its {outputs} outputs are the "
            f"{dataset.classes} classes of the data, in their order"
        )
    x, labels, rows = x[is_right], labels[is_right], rows[is_right.cpu()]
    if aim.image is not None and aim.target is not None:
        ends = given_end(x, labels, aim.image, aim.target)
    else:
        ends = nearest_ends(network, x, labels, dataset, aim.target)
    return _Chosen(rows=rows, ends=ends, misclassified=int((~is_right).sum()))


def _of(pairs: Pairs, rows: Tensor) -> Pairs:
    where = rows.to(pairs.starts.device)
    return Pairs(
        starts=pairs.starts[where], ends=pairs.ends[where], start_classes=pairs.start_classes[where],
        end_classes=pairs.end_classes[where],
        end_indices=None if pairs.end_indices is None else pairs.end_indices[where],
    )  # fmt: skip


def _images(
    pairs: tuple[CompressedPair, ...],
    chosen: _Chosen,
    kept: Tensor,
    anywhere: BoundaryForecast,
    towards: BoundaryForecast,
    smallest: Smallest,
) -> tuple[FragileInput, ...]:
    """The rows of all images; `input` becomes their place in the test split."""
    numbers = (
        chosen.rows[kept], anywhere.predicted, anywhere.first_order, towards.predicted, smallest.towards,
        smallest.found, smallest.classes, chosen.ends.passed_over[kept],
    )  # fmt: skip
    return tuple(
        FragileInput(
            pair=CompressedPair(**{**vars(pair), "input": row}), predicted=_finite(predicted), first_order=plain,
            predicted_towards=_finite(aimed), Q=_finite(q), found=_finite(found), found_class=into, passed_over=passed,
        )
        for pair, row, predicted, plain, aimed, q, found, into, passed in zip(
            pairs, *(each.tolist() for each in numbers), strict=True
        )
    )  # fmt: skip


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _concluded(
    images: tuple[FragileInput, ...],
    chosen: _Chosen,
    pairs: Pairs,
    smallest: Smallest,
    compression: FeatureCompression,
) -> Fragility:
    found = {name: column(images, name) for name in ("found", "Q")}
    path = {name: np.abs(column(images, name)) for name in ("M_b", "tangent_distance")}
    cosines, lengths = (column(images, name) for name in ("cosine", "L"))
    path |= {"cosine": np.abs(cosines) * lengths / 2, "L": lengths}
    guesses = {
        "found": {"predicted": column(images, "predicted"), "first_order": column(images, "first_order"), **path},
        "Q": {
            "predicted": column(images, "predicted_towards"),
            "first_order": np.array([image.pair.first_order for image in images]), **path,
        },
    }  # fmt: skip
    rows = agreements(guesses, found)
    of = {(row.of, row.guess): row.rank_correlation for row in rows}
    return Fragility(
        images=images,
        classes=tuple(_of_class(images, label) for label in sorted({image.pair.label for image in images})),
        alphas=compression.alphas,
        drawn=len(chosen.rows) + chosen.misclassified,
        misclassified=chosen.misclassified,
        without_path=len(chosen.rows) - len(images),
        passed_over=sum(image.passed_over for image in images),
        not_found=sum(image.found is None for image in images),
        mean_abs_cosine=fmean(abs(image.pair.cosine) for image in images),
        largest_integral_error=compression.largest_integral_error,
        rank_correlation=of["found", "predicted"],
        rank_correlation_first_order=of["found", "first_order"],
        agreement=rows,
        gain=gain(guesses["found"]["predicted"], guesses["found"]["first_order"], found["found"]),
        extremes=_extremes(pairs, smallest),
    )


def _of_class(images: tuple[FragileInput, ...], label: int) -> ClassFragility:
    own = [image for image in images if image.pair.label == label]
    predicted = [image.predicted for image in own if image.predicted is not None]
    found = [image.found for image in own if image.found is not None]
    return ClassFragility(
        label=label,
        images=len(own),
        mean_abs_cosine=fmean(abs(image.pair.cosine) for image in own),
        median_L=median(image.pair.L for image in own),
        median_predicted=median(predicted) if predicted else None,
        median_found=median(found) if found else None,
    )


def _extremes(pairs: Pairs, smallest: Smallest, few: int = 3) -> tuple[Extreme, ...]:
    """The most fragile inputs, then the least fragile ones; of few inputs none twice."""
    finite = smallest.found[smallest.places].isfinite()
    places, perturbations = smallest.places[finite], smallest.perturbations[finite]
    order = smallest.found[places].argsort().tolist()
    few = min(few, len(order) // 2)
    chosen = [*order[:few], *order[len(order) - few :][::-1]] if few else order[:1]
    return tuple(
        Extreme(
            place=int(places[row]), image=pairs.starts[int(places[row])].cpu(), end=pairs.ends[int(places[row])].cpu(),
            perturbation=perturbations[row],
        )
        for row in chosen
    )  # fmt: skip
