"""What the cells of a table share: trained networks with their data, and untrained ones for counting.

A teacher is itself a cell of the store: it is trained once, in a run folder that goes on after a stop, or read from
a weights file, and its accuracy is kept. Teachers have the seed 0, whatever the seed of a cell is, so that the spread
over seeds is that of the method.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from corank.errors import InputError
from corank.experiment.networks import Opened, identity, open_network
from corank.experiment.store import Store
from corank.experiment.training import Training
from corank.network import GraphNetwork, capture
from corank.train.devices import checked_device
from corank.train.evaluate import predict
from corank.zoo import Batches, Dataset, Split, build, input_shape, load_data
from corank.zoo.data.dataset import index_hash

WEIGHTS_VARIABLE = "CORANK_WEIGHTS"
EVALUATION_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which teacher, and how much of its data is used.

    Attributes:
        network: a name of the zoo.
        data: a name of the zoo.
        epochs: of its training; None takes it from a weights file.
        train_images: how many serve the method; None for all. A teacher is always trained on all.
        test_images: how many decide on accuracies; None for all.
    """

    network: str
    data: str
    epochs: int | None
    train_images: int | None
    test_images: int | None

    @property
    def place(self) -> str:
        """Where the store keeps this teacher."""
        how = "weights" if self.epochs is None else f"epochs-{self.epochs}"
        return f"teachers/{self.network}-{self.data}-{how}"


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A trained network.

    Attributes:
        network: takes inputs in the pixel space of the data.
        data: as much of it as is used.
        top1: accuracy on the test images that are used, a share.
        top5: the share whose label is among the five largest outputs.
    """

    network: nn.Module
    data: Dataset
    top1: float
    top5: float


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where teachers and data come from.

    Attributes:
        weights: a weights file, or a folder with `<network>-<data>.safetensors`; else the variable `CORANK_WEIGHTS`.
        data_root: the folder with named data; else the variable `CORANK_DATA`.
        device: where networks live.

    Raises:
        InputError: a device that is not there, or no such file or folder.
    """

    weights: Path | None = None
    data_root: Path | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        checked_device(self.device)
        if self.weights is not None and not self.weights.exists():
            raise InputError(
                f"--weights must name a weights file or a folder of them, there is no {str(self.weights)!r}"
            )
        if self.data_root is not None and not self.data_root.is_dir():
            raise InputError(f"--data-root must name a folder, {str(self.data_root)!r} is none")

    def weights_of(self, network: str, data: str) -> Path:
        """The weights file of a teacher.

        Raises:
            InputError: there is none.
        """
        name = f"{network}-{data}.safetensors"
        given = self.weights or (Path(named) if (named := os.environ.get(WEIGHTS_VARIABLE)) else None)
        if given is not None and given.is_file():
            return given
        if given is None or not (given / name).is_file():
            where = f"is not in {str(given)!r}" if given else "is not known"
            raise InputError(
                f"the weights file {name} {where}: name it by --weights, or its folder by {WEIGHTS_VARIABLE}"
            )
        return given / name


class Bench:
    """Teachers and untrained networks, each made once for all cells of a run.

    Args:
        store: where teachers are kept.
        sources: where they and the data come from.
        report: told of every stage of long work.
    """

    def __init__(
        self,
        store: Store,
        sources: Sources = Sources(),
        report: Callable[[str], None] = lambda stage: None,
    ) -> None:
        self.store = store
        self.sources = sources
        self.report = report
        self._data: dict[str, Dataset] = {}
        self._teachers: dict[Wanted, Teacher] = {}
        self._graphs: dict[tuple[str, int], GraphNetwork] = {}

    def teacher(self, wanted: Wanted) -> Teacher:
        """A trained network with its data and accuracy.

        Raises:
            InputError: data or weights that are not there, or other ones than those that the store knows.
        """
        if wanted not in self._teachers:
            self._teachers[wanted] = self._make(wanted)
        return self._teachers[wanted]

    def untrained(self, network: str, classes: int) -> GraphNetwork:
        """A network of the zoo as a graph, to count with."""
        if (network, classes) not in self._graphs:
            module = build(network, classes=classes, generator=torch.Generator().manual_seed(0)).eval()
            self._graphs[network, classes] = capture(module, torch.zeros(2, *input_shape(network)))
        return self._graphs[network, classes]

    def _make(self, wanted: Wanted) -> Teacher:
        if wanted.data not in self._data:
            self._data[wanted.data] = load_data(wanted.data, self.sources.data_root)
        whole = self._data[wanted.data]
        opened = self._open(wanted, whole)
        opened.network.to(checked_device(self.sources.device))
        data = replace(
            whole, train=thinned(whole.train, wanted.train_images), test=thinned(whole.test, wanted.test_images)
        )
        who = identity(opened, whole)
        key = f"{wanted.place}/test-{'all' if wanted.test_images is None else wanted.test_images}"

        def evaluate() -> Mapping[str, Any]:
            self.report(f"accuracy of {wanted.network} on {len(data.test)} test images of {wanted.data}")
            return {**who, **top_accuracies(opened.network, data.test)}

        found = self.store.once(key, evaluate)
        refuse_other_teacher(self.store.path(wanted.place), found, who)
        return Teacher(network=opened.network, data=data, top1=found["top1"], top5=found["top5"])

    def _open(self, wanted: Wanted, data: Dataset) -> Opened:
        """The trained network; trained first if it has no weights file, while others who want it wait."""
        if wanted.epochs is None:
            file = self.sources.weights_of(wanted.network, wanted.data)
            return open_network(wanted.network, dataset=data, weights=file)
        folder = self.store.path(f"{wanted.place}/network")

        def train() -> Mapping[str, Any]:
            self.report(f"training {wanted.network} on {wanted.data}, {wanted.epochs} epochs")
            fresh = open_network(wanted.network, dataset=data)
            Training(epochs=wanted.epochs, device=self.sources.device).run(fresh, data, folder, report=self.report)
            return {"network": wanted.network, "data": wanted.data, "epochs": wanted.epochs}

        self.store.once(f"{wanted.place}/trained", train)
        return open_network(str(folder), dataset=data)


def refuse_other_teacher(folder: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to mix cells of two teachers in one store.

    Raises:
        InputError: the store holds results of other weights or other images.
    """
    found = next(((name, stored.get(name), value) for name, value in wanted.items() if stored.get(name) != value), None)
    if found is not None:
        name, was, now = found
        raise InputError(
            f"{str(folder)!r} is about another teacher ({name} was {was}, now {now}): name another --store"
        )


def thinned(split: Split, count: int | None) -> Split:
    """So many images of a split, the same on every machine, however the split is sorted.

    Example:
        >>> split = Split(torch.zeros(9, 1, 2, 2), torch.arange(9))
        >>> len(thinned(split, 4)), len(thinned(split, 99)), thinned(split, None) is split
        (4, 9, True)
    """
    if count is None:
        return split
    return split.select(index_hash(len(split)).argsort()[:count])


def top_accuracies(network: nn.Module, split: Split) -> dict[str, float]:
    """The shares of images whose label is the largest output, and among the five largest.

    Example:
        >>> images = torch.eye(6)
        >>> top_accuracies(nn.Identity(), Split(images, torch.tensor([0, 1, 2, 3, 4, 0])))
        {'top1': 0.8333333333333334, 'top5': 1.0}
    """
    outputs = predict(network, Batches(split, EVALUATION_BATCH))
    best = outputs.topk(min(5, outputs.shape[1]), dim=1).indices == split.labels[:, None]
    return {"top1": float(best[:, 0].double().mean()), "top5": float(best.any(1).double().mean())}
