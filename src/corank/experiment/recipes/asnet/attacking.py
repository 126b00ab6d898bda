"""Universal perturbations of a teacher, as Tables 6 and 7 and Figures 6 to 10 have them (Cui et al. 2020, sec. 5.2).

The perturbation is added to normalised inputs, is measured there by its Euclidean norm, and nothing is clipped. One
attack from one training set serves every table and figure that shows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from corank.attack.auto import Auto
from corank.attack.random_direction import RandomDirection
from corank.attack.recursive_subspace import RecursiveSubspace
from corank.attack.shares import Shares, shares_of
from corank.attack.sink_class import SinkClass
from corank.attack.universal import Universal, UniversalAttack
from corank.attack.universal_deepfool import UniversalDeepFool
from corank.attack.victim import Victim
from corank.experiment.bench import Bench, Teacher, Wanted, thinned
from corank.experiment.recipe import Axes, Cell, Column, Grid, digest, every
from corank.network import Normalised
from corank.train.evaluate import device_of
from corank.zoo import Split
from corank.zoo.data import to_pixels

RADIUS = 10  # of Tables 6 and 7 and Figure 9
RADII = (5, 6, 7, 8, 9, 10)
QUICK_RADII = (5, 7, 10)
ALPHA = 10  # failures after which Algorithm 4.1 stops
UAP_ENOUGH = 0.8  # of the training samples, at which UAP stops by default
ONE = 1  # class of which all images are; any other number of classes is all that there are
CLASSES = (ONE, 10)
PRINTED_METHODS = ("AS", "UAP", "Random")
TRAIN = Column(name="train_ratio", unit="%", better="higher")
TEST = Column(name="test_ratio", unit="%", better="higher")
ERRORS = Column(name="test_errors", unit="%", better="higher")
CPU_TIME = Column(name="cpu_time", unit="s", better="lower")
GRADIENTS = Column(name="gradients", better="lower")
COLUMNS = (TRAIN, TEST, ERRORS, CPU_TIME, GRADIENTS)
Row = Mapping[str, Any]
Samples = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Attacking:
    """Under which circumstances a network is attacked.

    Attributes:
        network: the teacher, a name of the zoo.
        data: it learnt.
        teacher_epochs: of its training; None takes a weights file.
        one_class: the class of attacks on one class; None where there are none.
        images_of_one: training images of such an attack.
        images_of_all: training images of an attack on all classes.
        test_images: of the class or of all classes, that ratios are read from.
        training_sets: over which is averaged.
        uap_passes: that UAP makes over the training images, at most.
    """

    network: str
    data: str
    teacher_epochs: int | None = field(metadata={"none": "those of a weights file"})
    one_class: str | None = field(default=None, metadata={"none": "none"})
    images_of_one: int = 100
    images_of_all: int = 200
    test_images: int | None = field(default=None, metadata={"none": "all"})
    training_sets: int = 10
    uap_passes: int = 10

    def teacher(self, bench: Bench) -> Teacher:
        """The trained network on its data."""
        return bench.teacher(
            Wanted(
                network=self.network, data=self.data, epochs=self.teacher_epochs, train_images=None, test_images=None
            )
        )


FASHION = Attacking(network="cnn4", data="fashion-mnist", teacher_epochs=5, one_class="trouser")
CIFAR10 = Attacking(network="vgg19", data="cifar10", teacher_epochs=60, one_class="automobile")
CIFAR100 = Attacking(network="vgg19", data="cifar100", teacher_epochs=60, one_class="dolphin")
QUICK_MNIST = Attacking(
    network="cnn4", data="mnist", teacher_epochs=2, one_class="1", test_images=2_000, training_sets=3
)
QUICK_VGG19 = replace(CIFAR10, data="cifar10-jpeg", teacher_epochs=None, test_images=500, training_sets=1)
QUICK_RESNET20 = replace(QUICK_VGG19, network="resnet20", teacher_epochs=4, test_images=1_000)
SMALL = Attacking(
    network="vgg_digits", data="digits", teacher_epochs=1, one_class="1", images_of_one=10, images_of_all=20,
    test_images=50, training_sets=1, uap_passes=1,
)  # fmt: skip
"""A case that takes seconds, for the preset smoke."""

_METHODS: dict[str, Callable[[Attacking, float, int], UniversalAttack]] = {
    "AS": lambda _, radius, seed: RecursiveSubspace(radius=radius, on="ball", failures=ALPHA, seed=seed),
    "UAP": lambda options, radius, seed: UniversalDeepFool(
        radius=radius, passes=options.uap_passes, enough=UAP_ENOUGH, seed=seed
    ),
    "Random": lambda _, radius, seed: RandomDirection(radius=radius, seed=seed),
    "AS-sphere": lambda _, radius, seed: RecursiveSubspace(radius=radius, on="sphere", failures=ALPHA, seed=seed),
    "sink-class": lambda _, radius, seed: SinkClass(radius=radius, seed=seed),
    "auto": lambda _, radius, seed: Auto(radius=radius, seed=seed),
}
METHODS = tuple(_METHODS)
"""The paper's three, and others beside them."""

BUDGET_AXES = ("classes", "method", "radius")


def budget_cells(
    methods: Sequence[str] = (*PRINTED_METHODS, "auto"),
    radii: Sequence[int] = RADII,
    classes: Sequence[int] = CLASSES,
) -> tuple[Axes, ...]:
    """Those of Figures 6, 8 and 10: methods at all norms, on one class and on all."""
    return every(classes=classes, method=methods, radius=radii)


BUDGET_SMOKE = (Grid(cells=budget_cells(PRINTED_METHODS, [5, 10]), options=SMALL, stands_in=True),)
"""The preset smoke of Figures 6, 8 and 10, which share its attacks."""


def attack_row(cell: Cell[Attacking], bench: Bench) -> dict[str, Any]:
    """All columns above, the means over the training sets of a cell; `sets` has them one by one.

    The axes of the cell are the method, how many classes the images are of and, where a figure varies them, the radius
    and the images. Ratios are shares of the images whose class changes (eq. 4.8), and errors those that are classified
    wrongly then. `teacher_top1` is the accuracy of the network that was attacked.
    """
    options, case = cell.options, _case(cell)
    teacher = options.teacher(bench)
    sets = [_stored(options, case, teacher, seed, bench) for seed in seeds_of(options.training_sets, cell.seed)]
    means = {column.name: fmean(one[column.name] for one in sets) for column in COLUMNS}
    return {**means, "teacher_top1": 100 * teacher.top1, "sets": sets}


def seeds_of(training_sets: int, seed: int) -> range:
    """The seeds of the training sets of a cell; no other seed of the cell shares one.

    Example:
        >>> list(seeds_of(3, 0)), list(seeds_of(3, 1))
        ([0, 1, 2], [3, 4, 5])
    """
    return range(training_sets * seed, training_sets * (seed + 1))


def inner(teacher: Teacher) -> nn.Module:
    """The network of a teacher, which takes normalised inputs."""
    assert isinstance(teacher.network, Normalised)
    return teacher.network.network


def training_samples(teacher: Teacher, images: int, seed: int, only: str | None = None) -> Samples:
    """Normalised training images of all classes, or of only one, drawn by a seed."""
    split = _of_class(teacher, teacher.data.train, only)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return normalised(teacher, split.select(order[:images]))


def heldout_samples(teacher: Teacher, images: int | None, only: str | None = None) -> Samples:
    """Normalised test images of all classes, or of only one, the same for every attack."""
    return normalised(teacher, thinned(_of_class(teacher, teacher.data.test, only), images))


def normalised(teacher: Teacher, split: Split) -> Samples:
    """Images as the network behind the normalisation sees them, and their labels, where the network lives."""
    assert isinstance(teacher.network, Normalised)
    device, mean = device_of(teacher.network), teacher.network.mean.view(-1, 1, 1)
    return (to_pixels(split.images).to(device) - mean) / deviations(teacher), split.labels.to(device)


def deviations(teacher: Teacher) -> Tensor:
    """What a perturbation of normalised inputs is multiplied with in pixel space, `(channels, 1, 1)`."""
    assert isinstance(teacher.network, Normalised)
    return teacher.network.std.view(-1, 1, 1)


def found_by(
    method: str, options: Attacking, network: nn.Module, samples: Samples, radius: float, seed: int
) -> tuple[Universal, float]:
    """What a method finds for a network, and the seconds of processor time that it took."""
    attack, began = _METHODS[method](options, radius, seed), time.process_time()
    found = attack.attack(network, *samples)
    return found, time.process_time() - began


def shares_on(network: nn.Module, vector: Tensor, samples: Samples) -> Shares:
    """What a perturbation does to samples that it was not found from."""
    return shares_of(Victim(network), vector, *samples)


def beside(rows: Sequence[Row], column: str, other: str = "UAP") -> Iterator[tuple[float, float]]:
    """A column of AS and of another method, means over the seeds, for each cell that has both.

    Example:
        >>> rows = [{"method": "AS", "radius": 5, "x": 2.0}, {"method": "UAP", "radius": 5, "x": 1.0}]
        >>> list(beside([*rows, {"method": "AS", "radius": 6, "x": 3.0}], "x"))
        [(2.0, 1.0)]
    """
    cells: dict[tuple[Any, ...], dict[str, list[float]]] = {}
    for row in rows:
        place = tuple(row.get(name) for name in ("data", "classes", "radius", "images"))
        cells.setdefault(place, {}).setdefault(row["method"], []).append(row[column])
    for found in cells.values():
        if "AS" in found and other in found:
            yield fmean(found["AS"]), fmean(found[other])


def is_ahead(
    rows: Sequence[Row], *, points: float, faster: float, over: Callable[[Sequence[float]], float] = min
) -> bool | None:
    """Whether AS has so many points more of test images than UAP and is so many times faster; None without both.

    Args:
        rows: the cells.
        points: of the ratio on test images.
        faster: than UAP, in processor time.
        over: what is taken of the cells' differences and of their quotients: `min`, so that every cell must have
            them, or a mean.
    """
    ratios, times = list(beside(rows, TEST.name)), list(beside(rows, CPU_TIME.name))
    if not ratios:
        return None
    gains = [ours - theirs for ours, theirs in ratios]
    return over(gains) >= points and over([theirs / ours for ours, theirs in times]) >= faster


@dataclass(frozen=True, kw_only=True)
class _Case:
    """Which attack a cell is about."""

    method: str
    is_one_class: bool
    radius: float
    images: int


def _case(cell: Cell[Attacking]) -> _Case:
    axes, options = cell.axes, cell.options
    is_one_class, radius = axes["classes"] == ONE, axes.get("radius", RADIUS)
    images = axes.get("images", options.images_of_one if is_one_class else options.images_of_all)
    assert isinstance(radius, int | float)
    assert isinstance(images, int)
    return _Case(method=str(axes["method"]), is_one_class=is_one_class, radius=radius, images=images)


def _stored(options: Attacking, case: _Case, teacher: Teacher, seed: int, bench: Bench) -> dict[str, Any]:
    """What the store keeps of one attack from one training set."""
    classes = "one-class" if case.is_one_class else "all-classes"
    named = f"{case.method}-{classes}-radius-{case.radius:g}-images-{case.images}"
    place = f"{options.network}-{options.data}/{named}-{digest(_decisive(options, case))}"

    def attack() -> dict[str, Any]:
        bench.report(f"{named} of {options.network} on {options.data}, training set {seed}")
        only = options.one_class if case.is_one_class else None
        samples = training_samples(teacher, case.images, seed, only)
        found, cpu_time = found_by(case.method, options, inner(teacher), samples, case.radius, seed)
        tested = heldout_samples(teacher, options.test_images, only)
        return described(found, shares_on(inner(teacher), found.vector, tested), cpu_time)

    return bench.store.once(f"asnet/attacks/{place}/seed-{seed}", attack)


def _decisive(options: Attacking, case: _Case) -> dict[str, Any]:
    """The options that decide on an attack: cells that differ in others only share it."""
    idle = {"images_of_one", "images_of_all", "training_sets"}
    idle |= set() if case.method == "UAP" else {"uap_passes"}
    idle |= set() if case.is_one_class else {"one_class"}
    return {name: value for name, value in asdict(options).items() if name not in idle}


def described(found: Universal, heldout: Shares, cpu_time: float) -> dict[str, Any]:
    """The numbers of one attack, shares in percent."""
    shares = {
        f"{side}_{name}": 100 * value
        for side, told in (("train", found.train), ("test", heldout))
        for name, value in (("ratio", told.fooled), ("errors", told.errors), ("errors_before", told.errors_before))
    }
    return {
        **shares, "cpu_time": cpu_time, "seconds": found.seconds, "gradients": found.gradients,
        "forward": found.forward, "length": float(found.vector.norm()), "message": found.message,
        "into": list(heldout.into),
    }  # fmt: skip


def _of_class(teacher: Teacher, split: Split, only: str | None) -> Split:
    return split if only is None else split.select(split.labels == teacher.data.class_names.index(only))
