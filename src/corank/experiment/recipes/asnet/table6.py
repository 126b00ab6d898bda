"""Cui et al. 2020, Table 6: universal perturbations of one network on others, CIFAR-10, norm 10.

A row of the paper is the network that is attacked, a column the one that the perturbation was found for. A random
perturbation stands beside them: what any of this norm does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Column, Grid, Table, digest, every
from corank.experiment.recipes.asnet.attacking import (
    RADIUS,
    Attacking,
    deviations,
    found_by,
    heldout_samples,
    inner,
    seeds_of,
    shares_on,
    training_samples,
)

NETWORKS = {
    "ResNet-20": "resnet20", "ResNet-44": "resnet44", "ResNet-56": "resnet56", "ResNet-110": "resnet110",
    "VGG-19": "vgg19",
}  # fmt: skip
FROM = "from-"
RANDOM = "Random"
RATIO = Column(name="test_ratio", unit="%", better="higher")
ERRORS = Column(name="test_errors", unit="%", better="higher")


@dataclass(frozen=True, kw_only=True)
class Transferring:
    """Under which circumstances perturbations are carried from network to network.

    Attributes:
        networks: names of the zoo.
        data: that they learnt.
        teacher_epochs: of the training of each; None takes a weights file.
        images: of all classes, that a perturbation is found from.
        test_images: that ratios are read from.
        training_sets: over which is averaged.
    """

    networks: tuple[str, ...]
    data: str
    teacher_epochs: tuple[int | None, ...]
    images: int = 200
    test_images: int | None = field(default=None, metadata={"none": "all"})
    training_sets: int = 10

    def attacking(self, network: str) -> Attacking:
        """The same circumstances for an attack on one of the networks."""
        return Attacking(
            network=network,
            data=self.data,
            teacher_epochs=self.teacher_epochs[self.networks.index(network)],
            images_of_all=self.images,
            test_images=self.test_images,
            training_sets=self.training_sets,
        )


_PUBLISHED = Transferring(networks=tuple(NETWORKS.values()), data="cifar10", teacher_epochs=(60,) * len(NETWORKS))
_QUICK = Transferring(
    networks=("resnet20", "vgg19"), data="cifar10-jpeg", teacher_epochs=(4, None), test_images=500, training_sets=1
)
_QUICK_MNIST = Transferring(
    networks=("cnn4", "lenet_300_100", "lenet_500_300"), data="mnist", teacher_epochs=(2, 15, 15),
    test_images=2_000, training_sets=3,
)  # fmt: skip
_SMOKE = Transferring(
    networks=("vgg_digits", "lenet_300_100"), data="digits", teacher_epochs=(1, 1), images=20, test_images=50,
    training_sets=1,
)  # fmt: skip


def _cells(networks: Sequence[str]) -> tuple[Axes, ...]:
    return every(attacked=networks, source=[*(f"{FROM}{name}" for name in networks), RANDOM])


def _ratios(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """The ratio of each network that is attacked and each source, the mean over the seeds."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        found.setdefault((row["attacked"], row["source"]), []).append(row[RATIO.name])
    return {pair: fmean(values) for pair, values in found.items()}


def _mean_ratios(rows: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """The mean over the sources of what each network suffers; None unless all five are there with all five."""
    found = _ratios(rows)
    if any((attacked, FROM + source) not in found for attacked in NETWORKS for source in NETWORKS):
        return None
    return {attacked: fmean(found[attacked, FROM + source] for source in NETWORKS) for attacked in NETWORKS}


def _resnet20_is_weakest(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether ResNet-20 is fooled most of all five, on average over the perturbations."""
    means = _mean_ratios(rows)
    return None if means is None else max(means, key=means.__getitem__) == "ResNet-20"


def _vgg19_is_strongest(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether VGG-19 is fooled least of all five, on average over the perturbations."""
    means = _mean_ratios(rows)
    return None if means is None else min(means, key=means.__getitem__) == "VGG-19"


def _carries_over(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether each perturbation of another network does more than a random one, wherever both are there."""
    found = _ratios(rows)
    pairs = [
        (ratio, found[attacked, RANDOM])
        for (attacked, source), ratio in found.items()
        if source not in (RANDOM, FROM + attacked) and (attacked, RANDOM) in found
    ]
    return all(carried > chance for carried, chance in pairs) if pairs else None


TABLE = Table(
    title="Universal perturbations of norm 10 carried between networks on CIFAR-10",
    axes=("attacked", "source"),
    columns=(RATIO, ERRORS),
    presets={
        "smoke": (Grid(cells=_cells(_SMOKE.networks), options=_SMOKE, stands_in=True),),
        "quick": (
            Grid(cells=_cells(_QUICK_MNIST.networks), options=_QUICK_MNIST, stands_in=True),
            Grid(cells=_cells(["ResNet-20", "VGG-19"]), options=_QUICK),
        ),
        "paper": (Grid(cells=_cells(list(NETWORKS)), options=_PUBLISHED),),
    },
    claims=(
        Claim(
            quote="a simple network structure such as ResNet-20 is less robust",
            holds=_resnet20_is_weakest,
        ),
        Claim(quote="VGG-19 is the most robust", holds=_vgg19_is_strongest),
        Claim(
            quote="The success of cross-model attacks indicates that these neural networks could find a "
            "similar feature",
            holds=_carries_over,
        ),
    ),
)


def run_cell(cell: Cell[Transferring], bench: Bench) -> Mapping[str, Any]:
    """What perturbations of one network do to another: means over the training sets, `sets` has them one by one."""
    attacked, source = str(cell.axes["attacked"]), str(cell.axes["source"])
    name = NETWORKS.get(attacked, attacked)
    sets = [_carried(cell.options, source, seed, bench)[name]
            for seed in seeds_of(cell.options.training_sets, cell.seed)]  # fmt: skip
    return {**{column.name: fmean(one[column.name] for one in sets) for column in TABLE.columns}, "sets": sets}


def _carried(options: Transferring, source: str, seed: int, bench: Bench) -> dict[str, Any]:
    """What the store keeps of one perturbation: its ratio and errors on the test images for each network."""
    told = {name: value for name, value in asdict(options).items() if name != "training_sets"}
    key = f"asnet/transfers/{options.data}-{source}-{digest(told)}/seed-{seed}"
    return bench.store.once(key, lambda: _on_each(options, source, seed, bench))


def _on_each(options: Transferring, source: str, seed: int, bench: Bench) -> dict[str, Any]:
    bench.report(f"perturbation {source} of {options.data}, training set {seed}, on {', '.join(options.networks)}")
    named = source.removeprefix(FROM)
    is_random = source == RANDOM
    own = options.attacking(options.networks[0] if is_random else NETWORKS.get(named, named))
    source_teacher = own.teacher(bench)
    samples = training_samples(source_teacher, options.images, seed)
    found, _ = found_by(RANDOM if is_random else "AS", own, inner(source_teacher), samples, RADIUS, seed)
    told = {}
    for network in options.networks:
        teacher = options.attacking(network).teacher(bench)
        vector = found.vector * (deviations(source_teacher) / deviations(teacher))  # the same in pixel space
        shares = shares_on(inner(teacher), vector, heldout_samples(teacher, options.test_images))
        told[network] = {RATIO.name: 100 * shares.fooled, ERRORS.name: 100 * shares.errors}
    return told
