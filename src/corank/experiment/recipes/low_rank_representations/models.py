"""Networks with and without virtual low-rank layers, trained alike on clean images (Sanyal et al. 2020, sec. 3).

N-LR has none, 1-LR one before the classifier, 2-LR another before the last stage. Each is trained once for all tables
and figures, from the same weights and with the same options as the one without; so are those with real layers in their
place (Bottle), the baselines of Table 2, and beside them stands the network before any training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor

from corank.defend import (
    SNIP,
    BottleLowRank,
    Defence,
    LowRank,
    SpectralNormalisation,
    StableRankNormalisation,
    Watch,
)
from corank.experiment.bench import Bench, Teacher, Wanted, top_accuracies
from corank.experiment.defending import run_defence
from corank.experiment.networks import open_network
from corank.experiment.recipe import digest
from corank.experiment.training import Training
from corank.train.evaluate import device_of
from corank.zoo.data import to_pixels

PLAIN, ONE, TWO = "N-LR", "1-LR", "2-LR"
MODELS = (PLAIN, ONE, TWO)
DEFENDED = (ONE, TWO)
BOTTLE_ONE, BOTTLE_TWO = "Bottle-1LR", "Bottle-2LR"
PRUNED, STABLE, SPECTRAL = "SNIP", "SRN", "SN"
UNTRAINED = "random"


@dataclass(frozen=True, kw_only=True)
class Comparing:
    """Which networks are compared, and on how many images.

    Attributes:
        network: a name of the zoo.
        data: it learns.
        epochs: of each training.
        last: the layer whose output the classifier reads.
        deep: the layer before the last stage.
        last_rank: of the virtual layer at `last`.
        deep_rank: of that at `deep`.
        weight: of both terms of the virtual layers' loss.
        warm_up: epochs before the virtual layers begin.
        rate: share of the images that must fail where the smallest budget is asked for.
        stride: pixel values that iterative attacks go in a step where the smallest budget is asked for.
        test_images: that are attacked.
    """

    network: str
    data: str
    epochs: int
    last: str = "flatten"
    deep: str = "layer3"
    last_rank: int = 100
    deep_rank: int = 500
    weight: float = 0.1
    warm_up: int = 50
    rate: float = 0.99
    stride: int = 1
    test_images: int | None = field(default=None, metadata={"none": "all"})

    def ranks(self, model: str) -> dict[str, int]:
        """The rank of each low-rank layer of a model, virtual or real."""
        return {self.last: self.last_rank, **({self.deep: self.deep_rank} if model in (TWO, BOTTLE_TWO) else {})}

    def defence(self, model: str) -> Defence:
        """How any model but the plain and the untrained one is trained."""
        ranks = self.ranks(model)
        if model in DEFENDED:
            return LowRank(
                layer=tuple(ranks), rank=tuple(ranks.values()), weight=self.weight, norm_weight=self.weight,
                warm_up=self.warm_up,
            )  # fmt: skip
        if model in (BOTTLE_ONE, BOTTLE_TWO):
            return BottleLowRank(layer=tuple(ranks), rank=tuple(ranks.values()))
        return {PRUNED: SNIP(), STABLE: StableRankNormalisation(), SPECTRAL: SpectralNormalisation()}[model]

    def trained(self, model: str, bench: Bench) -> Teacher:
        """A model with its data and accuracy; trained first if the store has it not."""
        plain = bench.teacher(
            Wanted(
                network=self.network, data=self.data, epochs=self.epochs, train_images=None,
                test_images=self.test_images,
            )
        )  # fmt: skip
        if model == UNTRAINED:
            network = open_network(self.network, dataset=plain.data).network.to(device_of(plain.network))
            return Teacher(network=network, data=plain.data, **top_accuracies(network, plain.data.test))
        return plain if model == PLAIN else self._defended(model, plain, bench)

    def _defended(self, model: str, plain: Teacher, bench: Bench) -> Teacher:
        """As the teacher was trained, but for the virtual layers."""
        kept = digest(asdict(replace(self, rate=1.0, stride=1, test_images=None)))
        place = f"low_rank_representations/networks/{self.network}-{self.data}-{model}-{kept}"
        folder = bench.store.path(f"{place}/network")

        def train() -> Mapping[str, Any]:
            bench.report(f"training {model} of {self.network} on {self.data}, {self.epochs} epochs")
            fresh = open_network(self.network, dataset=plain.data)
            training = Training(epochs=self.epochs, device=bench.sources.device)
            defence, watch = self.defence(model), Watch(quantities=(), images=100, steps=1)
            run_defence(fresh, plain.data, defence, training, folder, watch=watch, report=bench.report)
            return {"network": self.network, "data": self.data, "model": model, "epochs": self.epochs}

        bench.store.once(f"{place}/trained", train)
        network = open_network(str(folder), dataset=plain.data).network.to(device_of(plain.network))
        found = bench.store.once(
            f"{place}/test-{'all' if self.test_images is None else self.test_images}",
            lambda: top_accuracies(network, plain.data.test),
        )
        return Teacher(network=network, data=plain.data, top1=found["top1"], top5=found["top5"])


def images_of(teacher: Teacher) -> tuple[Tensor, Tensor]:
    """The test images in pixel space with their labels, where the network lives."""
    device = device_of(teacher.network)
    return to_pixels(teacher.data.test.images).to(device), teacher.data.test.labels.to(device)


def exceeds(rows: Sequence[Mapping[str, Any]], column: str, model: str, other: str = PLAIN) -> bool | None:
    """Whether one model has the larger number wherever both have one, all other axes being the same.

    Args:
        rows: values of cells with their axes.
        column: whose numbers are compared.
        model: that should have the larger ones.
        other: that should have the smaller ones.
    """

    def setting(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: row.get(name) for name in ("data", "network", "dimensions", "place", "layer")}

    pairs = [
        (row[column], beside[column])
        for row in rows
        for beside in rows
        if (row["model"], beside["model"]) == (model, other)
        and setting(row) == setting(beside)
        and None not in (row[column], beside[column])
    ]
    return all(ours > theirs for ours, theirs in pairs) if pairs else None


def together(verdicts: Sequence[bool | None]) -> bool | None:
    """Whether all that are known hold; None where none is known.

    Example:
        >>> together([True, None]), together([True, False]), together([None])
        (True, False, None)
    """
    known = [verdict for verdict in verdicts if verdict is not None]
    return all(known) if known else None


RESNET18 = Comparing(network="resnet18", data="cifar10", epochs=350)
RESNET50 = replace(RESNET18, network="resnet50")
RESNET18_COARSE = replace(RESNET18, data="cifar100-coarse")
RESNET50_COARSE = replace(RESNET50, data="cifar100-coarse")
RESNET50_FINE = replace(RESNET50, data="cifar100")
RESNET18_SVHN = replace(RESNET18, data="svhn")
VGG19 = replace(RESNET18, network="vgg19_3fc", last="classifier.3", deep="flatten", deep_rank=100)
VGG19_SVHN = replace(VGG19, data="svhn")
MNIST = Comparing(
    network="cnn4", data="mnist", epochs=4, last="relu3", deep="flatten", last_rank=10, deep_rank=20, warm_up=1,
    weight=0.001, test_images=500,
)  # fmt: skip
"""A network with four layers, which a CPU trains in minutes; with weights of 0.1 its 2-LR does not learn."""
SMALL = Comparing(
    network="vgg_digits", data="digits", epochs=2, deep="features.13", last_rank=5, deep_rank=10, warm_up=1, rate=0.5,
    stride=8, test_images=20,
)  # fmt: skip
"""A case that takes seconds, for the preset smoke."""
