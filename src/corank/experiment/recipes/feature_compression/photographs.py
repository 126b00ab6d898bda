"""Photographs of one class and the nearest of another (Gao et al., section 6, Tables 7 and 8 and Figure 6).

The paper's network for ImageNet and its images are not here. The preset `paper` runs with the network and the images
that a user names by environment variables: `CORANK_PHOTO_NETWORK` (a run folder, or `package.module:factory`, taken as
it is made or with the weights file of `--weights`), `CORANK_PHOTO_DATA` (a folder of class folders of images) and,
where the classes are called otherwise than in the paper, `CORANK_PHOTO_CLASSES` (two names with a comma between).
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from corank.errors import InputError
from corank.experiment.bench import Bench, Wanted
from corank.experiment.fragility.ends import nearest_ends
from corank.experiment.networks import identity, open_network
from corank.experiment.recipe import digest
from corank.experiment.recipes.feature_compression.paths import experiments_on
from corank.train.devices import checked_device
from corank.train.evaluate import device_of, predict
from corank.zoo import Batches, Dataset, load_data
from corank.zoo.data.batches import to_pixels
from corank.zoo.data.subset import label_of

NETWORK, DATA, CLASSES = "CORANK_PHOTO_NETWORK", "CORANK_PHOTO_DATA", "CORANK_PHOTO_CLASSES"
NAMED = "named by " + NETWORK
BATCH = 100


@dataclass(frozen=True, kw_only=True)
class Photographs:
    """Under which circumstances photographs are compared.

    Attributes:
        network: the teacher, a name of the zoo; None takes the one that the variable names.
        data: it learnt; None takes the folder that the variable names.
        teacher_epochs: of its training; None takes a weights file.
        own: the class of the images.
        other: the class at the ends of the paths.
        experiments: how many images.
        points: of each path.
        steps: of the minimum-norm attack.
    """

    network: str | None = field(default=None, metadata={"none": NAMED})
    data: str | None = field(default=None, metadata={"none": "named by " + DATA})
    teacher_epochs: int | None = field(default=None, metadata={"none": "those of a weights file"})
    own: str = "English springer"
    other: str = "Afghan hound"
    experiments: int = 4
    points: int = 11
    steps: int = 200


@dataclass(frozen=True, kw_only=True)
class NamedPhotographs(Photographs):
    """With the network and the images that a user names.

    Attributes:
        named: the values of the three variables, so that the cells of one network are not taken for another's.
    """

    named: tuple[str, ...] = field(
        default_factory=lambda: tuple(os.environ.get(name, "") for name in (NETWORK, DATA, CLASSES))
    )


PUBLISHED: Photographs = NamedPhotographs()
QUICK = Photographs(network="vgg19", data="cifar10-jpeg", own="dog", other="cat", steps=100)
SMALL = Photographs(network="vgg_digits", data="digits", teacher_epochs=1, own="7", other="4", experiments=2, steps=20)
"""A case that takes seconds, for the preset smoke."""


def rows_of(options: Photographs, bench: Bench, seed: int) -> list[dict[str, Any]]:
    """The experiments, computed once for all tables that want them."""
    place = f"{options.network or 'named'}-{options.data or 'named'}"
    if options.network is not None:
        key = f"feature_compression/photographs/{place}-{digest(asdict(options))}/seed-{seed}"
        found = bench.store.once(key, lambda: {"rows": _experiments(options, *_teacher(options, bench), bench)})
    else:
        network, data, classes, who = _named(options, bench)
        key = f"feature_compression/photographs/{place}-{digest([asdict(options), classes, who])}/seed-{seed}"
        found = bench.store.once(key, lambda: {"rows": _experiments(options, network, data, classes, bench)})
    rows: list[dict[str, Any]] = found["rows"]
    return rows


def _teacher(options: Photographs, bench: Bench) -> tuple[torch.nn.Module, Dataset, tuple[str, str]]:
    assert options.network is not None
    assert options.data is not None
    wanted = Wanted(
        network=options.network, data=options.data, epochs=options.teacher_epochs, train_images=None, test_images=1000
    )
    teacher = bench.teacher(wanted)
    return teacher.network, teacher.data, (options.own, options.other)


def _named(options: Photographs, bench: Bench) -> tuple[torch.nn.Module, Dataset, tuple[str, str], dict[str, Any]]:
    """What the user named.

    Raises:
        InputError: nothing was named, or what cannot be opened.
    """
    network, data = os.environ.get(NETWORK), os.environ.get(DATA)
    if not network or not data:
        raise InputError(
            f"this table needs a network for photographs and photographs of both classes: name a run folder or "
            f"package.module:factory by {NETWORK}, and a folder of class folders by {DATA}"
        )
    own, separator, other = os.environ.get(CLASSES, f"{options.own},{options.other}").partition(",")
    if not separator:
        raise InputError(f"{CLASSES} must be two classes with a comma between, got {own!r}")
    dataset = load_data(data, bench.sources.data_root)
    file = bench.sources.weights if bench.sources.weights and bench.sources.weights.is_file() else None
    opened = open_network(network, dataset=dataset, weights=file, normalise=False)
    opened.network.to(checked_device(bench.sources.device))
    return opened.network, dataset, (own.strip(), other.strip()), identity(opened, dataset)


def _experiments(
    options: Photographs, network: torch.nn.Module, data: Dataset, classes: tuple[str, str], bench: Bench
) -> list[dict[str, Any]]:
    """The first images of the class that the network gets right, each with the nearest of the other class.

    Raises:
        InputError: too few such images.
    """
    own, other = (label_of(data, name) for name in classes)
    own_images = data.test.select(data.test.labels == own)
    is_right = predict(network, Batches(own_images, BATCH)).argmax(1).cpu() == own
    chosen = own_images.select(is_right.nonzero()[: options.experiments, 0])
    if len(chosen) < options.experiments:
        raise InputError(
            f"{options.experiments} images of class {classes[0]} are needed that the network gets right, "
            f"{data.name} has {len(chosen)}"
        )
    bench.report(f"{len(chosen)} paths from {classes[0]} to {classes[1]} of {data.name}")
    device = device_of(network)
    starts, labels = to_pixels(chosen.images).to(device), chosen.labels.to(device)
    ends = nearest_ends(network, starts, labels, data, other).pairs
    return experiments_on(network, ends, data.bounds, points=options.points, steps=options.steps)
