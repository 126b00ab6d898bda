"""A hybrid max-margin model as a run: made of a network, asked about what fools that network, in a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from corank.attack import DeepFool
from corank.defend.max_margin import MaxMargin, MaxMarginHead, accuracy_where_fooled
from corank.errors import InputError
from corank.experiment.bench import thinned
from corank.experiment.compressing import EVALUATION_BATCH, accuracies
from corank.experiment.evaluated import Accuracies
from corank.experiment.networks import Opened, check_capture, identity
from corank.experiment.run_folder import Origin, Run, claim, load_run, save_run
from corank.experiment.run_pages import inputs_of, provenance, reload_section
from corank.network import Cost, capture, cost
from corank.report import Column, Page, Section, Table
from corank.report.format import compact, percent
from corank.train.evaluate import device_of
from corank.zoo import Batches, Dataset
from corank.zoo.data import to_pixels


def run_hybrid(
    opened: Opened,
    dataset: Dataset,
    head: MaxMarginHead,
    out: Path,
    *,
    images: int = 200,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda stage: None,
) -> Run:
    """Make a hybrid model of a network and write its run folder.

    Args:
        opened: the network; it comes back unchanged.
        dataset: fitted to its training split, judged on its test split.
        head: how the model is made.
        out: the run folder. A finished run with the same options is returned as it is.
        images: of the test split that DeepFool perturbs until they fool the network, at most.
        overwrite: replace whatever run is there, finished or not.
        report: told when there is nothing to do.

    Raises:
        InputError: the folder holds something else, or the network cannot be cut after the layer.
    """
    if images < 1:
        raise InputError(f"images must be at least 1, got {images}")
    options = {**identity(opened, dataset), "method": type(head).__name__, **asdict(head), "images": images}
    finished = claim(out, options, overwrite=overwrite)
    if finished is not None:
        report(f"{str(out)!r} holds this very model, finished: nothing to do")
        return finished
    check_capture(opened)
    start = time.perf_counter()
    found = head.fit(opened.network, Batches(thinned(dataset.train, head.samples), EVALUATION_BATCH))
    original, own = accuracies(opened.network, dataset), accuracies(found.network, dataset)
    rightly = _where_fooled(opened, dataset, found, images, head.seed)
    _save(out, opened, dataset, found, (original, own), rightly, options, time.perf_counter() - start)
    return load_run(out)


def _where_fooled(opened: Opened, dataset: Dataset, found: MaxMargin, images: int, seed: int) -> float | None:
    """The share of test images that just fool the network which the model gets right."""
    test, device = thinned(dataset.test, images), device_of(opened.network)
    made = DeepFool(seed=seed).attack(
        opened.network, to_pixels(test.images).to(device), test.labels.to(device), bounds=dataset.bounds
    )
    return accuracy_where_fooled(found.network, made)


def _save(
    out: Path,
    opened: Opened,
    dataset: Dataset,
    found: MaxMargin,
    accuracy: tuple[Accuracies, Accuracies],
    rightly: float | None,
    options: Mapping[str, Any],
    seconds: float,
) -> None:
    """Write the run folder of a hybrid model."""
    origin, (original, own) = opened.origin, accuracy
    example = torch.zeros(2, *origin.shape, dtype=getattr(torch, origin.dtype))
    network = capture(found.network.cpu(), example)
    costs = [cost(one, origin.shape, example.dtype) for one in (opened.network, network)]
    made = Origin(name=f"MaxMarginHead of {origin.name}", zoo_name=None, classes=found.network.classifier.out_features,
                  shape=origin.shape, dtype=origin.dtype)  # fmt: skip
    metrics = {
        **own.row(), "original_test_accuracy": original.test, "right_where_fooled": rightly, **found.to_dict(),
        "seconds": seconds,
    }  # fmt: skip
    page = hybrid_page(origin.name, dataset, found, accuracy, rightly, costs, folder=out, options=options,
                       seconds=seconds)  # fmt: skip
    about = {"command": "defend", "data": dataset.name, "bounds": dataset.bounds, "options": options,
             "seed": options["seed"], "seconds": seconds}  # fmt: skip
    save_run(out, network, made, about=about, metrics=metrics, page=page)


def hybrid_page(
    network: str,
    dataset: Dataset,
    found: MaxMargin,
    accuracy: tuple[Accuracies, Accuracies],
    rightly: float | None,
    costs: list[Cost],
    *,
    folder: Path,
    options: Mapping[str, Any],
    seconds: float,
) -> Page:
    """The page of a hybrid model.

    Args:
        network: the name of the one that it was made of.
        dataset: what it was fitted to.
        found: the model.
        accuracy: of the network and of the model.
        rightly: share of the images that just fool the network which the model gets right; None where none did.
        costs: of the network and of the model.
        folder: of the run, as the user named it.
        options: for the provenance.
        seconds: that it took.
    """
    original, own = accuracy
    many, one = inputs_of(dataset)
    fooled = () if rightly is None else (
        f"Of {many} that just fool {network} (DeepFool) it gets {percent(rightly)} right. What it withstands itself is "
        "for an attack on it to tell: corank attack evaluate.",
    )  # fmt: skip
    rows = tuple(
        (name, result.test, price.multiply_adds)
        for name, result, price in zip((network, "hybrid model"), accuracy, costs, strict=True)
    )
    return Page(
        title=f"{network}, a max-margin classifier after {found.layer}, on {dataset.name}",
        subtitle="A hybrid model: how well it works, what it costs and how to load it",
        summary=(
            f"{found.dimensions:,} directions of the {found.features:,} features after {found.layer} carry "
            f"{percent(found.captured)} of their scaled variance. A linear classifier on them is right about "
            f"{percent(own.test)} of the {len(dataset.test):,} test {many} of {dataset.name}, {network} about "
            f"{percent(original.test)}.",
            *fooled,
        ),
        facts=(
            ("test accuracy", percent(own.test)),
            ("of the network", percent(original.test)),
            ("directions", f"{found.dimensions:,} of {found.features:,}"),
            (f"multiply-adds {one}", compact(costs[1].multiply_adds)),
        ),
        sections=(
            Section(
                "How well it works and what it costs",
                tables=(
                    Table(
                        (Column("model"), Column("test accuracy", show=percent),
                         Column("multiply-adds", show=compact)),
                        rows,
                        f"The model has {found.parameters:,} parameters where the network has {found.replaced:,} "
                        f"behind {found.layer}.",
                    ),
                ),
            ),
            reload_section(folder, dataset.shape, dataset.bounds),
        ),
        provenance=provenance(options, seconds, {"threads": torch.get_num_threads()}),
    )  # fmt: skip
