"""What the tables and figures of the paper share: networks trained in each of its ways, attacked and watched.

A network is trained once for all tables that ask for it. Adversarial training goes on from the natural one, as in
section 5; regularised networks are trained from their own start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import torch
from torch.optim import SGD

from corank.attack import FGSM, GNM, PGD, SampleAttack
from corank.defend import Adversarial, Course, Defence, Natural, Regularised, Watch
from corank.experiment.bench import EVALUATION_BATCH, Bench, thinned, top_accuracies
from corank.experiment.networks import open_network
from corank.experiment.recipe import Axes, Cell, Column, digest, every
from corank.experiment.recipes.low_rank_weights.picture import picture_of
from corank.network import weighted_layers
from corank.result import jsonable
from corank.train import Constant
from corank.train.devices import checked_device
from corank.zoo import Batches, Dataset, load_data, training_defaults

NATURAL, FGSM_TRAINED, PGD_TRAINED, JOINT = "natural", "FGSM trained", "PGD trained", "joint"
RADIUS = 0.05
ATTACKS: Mapping[str, SampleAttack] = {
    "fooled_fgsm": FGSM(radius=RADIUS),
    "fooled_pgd": PGD(radius=RADIUS, steps=20, step_size=0.005),
    "fooled_gnm": GNM(radius=RADIUS, steps=5),
}
LOW = ("effective_rank", "effective_sparsity")
ACCURACY = Column(name="accuracy", better="higher")
FOOLED = tuple(Column(name=name, better="lower") for name in ATTACKS)
OF_LAYERS = tuple(Column(name=f"{name}{when}") for name in LOW for when in ("_before", ""))
INFORMATION = (Column(name="information_low"), Column(name="information_high"))
PICTURE = tuple(Column(name=name) for name in (*LOW, "blank", "pattern"))


@dataclass(frozen=True, kw_only=True)
class Defending:
    """Under which circumstances networks are trained and attacked.

    Attributes:
        network: a name of the zoo.
        data: a name of the zoo.
        layers: the first two layers with weights, which are regularised.
        epochs: of a training from the start.
        tuning_epochs: of the adversarial training that follows the natural one.
        batch_size: of the trainings; None takes the zoo's.
        learning_rate: from the start, without momentum and falling; None takes the zoo's one cycle with momentum.
        tuning_rate: of the adversarial training, likewise with momentum under one cycle where `learning_rate` is None.
        adversary_steps: of the PGD that is trained on, each of 2.5 radii over their number.
        train_images: how many serve the training; None for all.
        test_images: how many are classified and attacked; None for all.
        watch_images: of the validation split that are attacked after each epoch.
    """

    network: str = "fcnn"
    data: str = "mnist"
    layers: tuple[str, str] = ("fc1", "fc2")
    epochs: int = 10
    tuning_epochs: int = 10
    batch_size: int | None = None
    learning_rate: float | None = None
    tuning_rate: float = 0.02
    adversary_steps: int = 5
    train_images: int | None = None
    test_images: int | None = 2000
    watch_images: int = 200


FCNN = Defending()
FCNN_PAPER = Defending(
    epochs=100, tuning_epochs=100, batch_size=128, learning_rate=1e-3, tuning_rate=1e-3, adversary_steps=20,
    test_images=None,
)  # fmt: skip
CNN = Defending(
    network="cnn_lw", layers=("conv1", "conv2"), epochs=5, tuning_epochs=2, adversary_steps=3, train_images=12_000,
    test_images=1000,
)  # fmt: skip
CNN_PAPER = Defending(
    network="cnn_lw", data="fashion-mnist", layers=("conv1", "conv2"), epochs=50, tuning_epochs=50, batch_size=64,
    learning_rate=0.01, tuning_rate=1e-3, adversary_steps=20, test_images=None,
)  # fmt: skip
SMALL = Defending(data="digits", epochs=2, tuning_epochs=1, adversary_steps=1, test_images=60, watch_images=20)

METHODS: tuple[str, ...] = (NATURAL, FGSM_TRAINED, PGD_TRAINED)
ADVERSARIAL = every(method=METHODS[1:])
FCNN_STRENGTHS = ((0.01, 0.0), (0.0, 0.01), (0.01, 0.01), (0.01, 0.03))
CNN_STRENGTHS = ((0.01, 0.0), (0.01, 0.05), (0.01, 0.1), (0.01, 0.5))


def fcnn_cells(**others: Any) -> tuple[Axes, ...]:
    """Every network of Table 1, with every value of other axes."""
    return (*every(method=METHODS, **others), *regularised(FCNN_STRENGTHS, **others))


def cnn_cells(**others: Any) -> tuple[Axes, ...]:
    """Every network of Table 2, with every value of other axes."""
    return (*every(method=METHODS, **others), *regularised(CNN_STRENGTHS, **others))


def beside_natural(strengths: tuple[tuple[float, float], ...]) -> tuple[Axes, ...]:
    """The regularised networks, and the natural one to set them beside."""
    return (*every(method=[NATURAL]), *regularised(strengths))


def small_cells(**others: Any) -> tuple[Axes, ...]:
    """A natural, an adversarially trained and a regularised network."""
    return (*every(method=[NATURAL, FGSM_TRAINED], **others), *regularised(((0.01, 0.01),), **others))


def regularised(strengths: tuple[tuple[float, float], ...], **others: Any) -> tuple[Axes, ...]:
    """Networks with these strengths of the absolute sum and of the nuclear norm, with every value of other axes."""
    return tuple(
        axes
        for l1, nuclear in strengths
        for axes in every(method=["regularised"], l1=[l1], nuclear=[nuclear], **others)
    )


def trained_row(cell: Cell[Defending], bench: Bench) -> dict[str, Any]:
    """What came of a network: its accuracy, how it is fooled, and how it was seen on the way."""
    chosen = {name: cell.axes[name] for name in ("method", "l1", "nuclear") if cell.axes.get(name) is not None}
    options = cell.options
    place = f"low_rank_weights/networks/{options.network}-{options.data}"
    key = f"{place}/{digest([chosen, asdict(options)])}/seed-{cell.seed}"
    return bench.store.once(key, lambda: _trained(cell, bench, chosen))


def _trained(cell: Cell[Defending], bench: Bench, chosen: Mapping[str, Any]) -> dict[str, Any]:
    options = cell.options
    data = load_data(options.data, bench.sources.data_root)
    data = replace(
        data, train=thinned(data.train, options.train_images), test=thinned(data.test, options.test_images)
    )  # fmt: skip
    device = checked_device(bench.sources.device)
    network = open_network(options.network, dataset=data, seed=cell.seed).network.to(device)
    found = []
    for defence in _defences(chosen, options):
        bench.report(f"{' '.join(map(str, chosen.values()))} of {options.network} on {options.data}")
        tuned = isinstance(defence, Adversarial)
        course = _course(options, data, cell.seed, tuned=tuned)
        batches = Batches(data.train, _batch_size(options, data), shuffle=True, seed=cell.seed)
        watch = Watch(quantities=("weights", "information"), radius=RADIUS, images=options.watch_images)
        done = defence.defend(
            network, batches, course, bounds=data.bounds, watch=watch,
            validation=Batches(data.validation, EVALUATION_BATCH),
        )  # fmt: skip
        assert done.watched is not None
        network = done.network
        found.append(done.watched)
    x, y = (torch.cat(column).to(device) for column in zip(*Batches(data.test, EVALUATION_BATCH), strict=True))
    fooled = {
        name: attack.attack(network, x, y, bounds=data.bounds).fooled_of_right for name, attack in ATTACKS.items()
    }
    watched = [row for watched in found for row in watched.rows]
    return {
        "accuracy": top_accuracies(network, data.test)["top1"],
        **fooled,
        "watched": jsonable(watched),
        "pictures": [asdict(picture_of(layer.matrix)) for layer in weighted_layers(network)],
    }


def _defences(chosen: Mapping[str, Any], options: Defending) -> list[Defence]:
    """One training after the other."""
    method, first, second = chosen["method"], *options.layers
    if method == "regularised":
        both = options.network != "fcnn"  # the convolutional network's l1 is on both layers, its nuclear on the second
        l1, nuclear = chosen["l1"], chosen["nuclear"]
        return [
            Regularised(
                l1=f"{first}={l1},{second}={l1}" if both else f"{first}={l1}",
                nuclear=f"{second if both else first}={nuclear}",
            )
        ]
    if method == JOINT:
        return [Regularised(l1=f"{first}=0.01", joint=0.01)]
    adversaries = {
        FGSM_TRAINED: Adversarial(attack="fgsm", radius=RADIUS),
        PGD_TRAINED: Adversarial(attack="pgd", radius=RADIUS, steps=options.adversary_steps),
    }
    return [Natural(), *([adversaries[method]] if method in adversaries else [])]


def _batch_size(options: Defending, data: Dataset) -> int:
    return options.batch_size or training_defaults(options.network, data.name).batch_size


def _course(options: Defending, data: Dataset, seed: int, *, tuned: bool) -> Course:
    epochs = options.tuning_epochs if tuned else options.epochs
    if options.learning_rate is not None:
        rate = options.tuning_rate if tuned else options.learning_rate
        return Course(epochs=epochs, optimiser=partial(SGD, lr=rate), schedule=Constant(), seed=seed)
    defaults = training_defaults(options.network, data.name)
    defaults = replace(defaults, learning_rate=options.tuning_rate) if tuned else defaults
    return Course(epochs=epochs, optimiser=defaults.make_optimiser, schedule=defaults.schedule, seed=seed)


def fooling_row(cell: Cell[Defending], bench: Bench) -> dict[str, Any]:
    """Accuracy and fooling ratios of one network."""
    found = trained_row(cell, bench)
    return {column.name: found[column.name] for column in (ACCURACY, *FOOLED)}


def layer_row(cell: Cell[Defending], bench: Bench) -> dict[str, Any]:
    """The rank and sparsity of one layer before any training and at the end, and what it holds of the input then.

    The axis `layer` counts the weight matrices from 1.
    """
    rows = trained_row(cell, bench)["watched"]
    place = int(str(cell.axes["layer"])) - 1
    first, last = rows[0], rows[-1]
    held = last["information"][place] if place < len(last["information"]) else {}
    return {
        "effective_rank_before": first["weights"][place]["effective_rank"],
        "effective_rank": last["weights"][place]["effective_rank"],
        "effective_sparsity_before": first["weights"][place]["effective_sparsity"],
        "effective_sparsity": last["weights"][place]["effective_sparsity"],
        "information_low": held.get("input_low"),
        "information_high": held.get("input_high"),
    }


def picture_row(cell: Cell[Defending], bench: Bench, layer: int) -> dict[str, Any]:
    """What the picture of a weight matrix shows at the end; layers are counted from 1."""
    found = trained_row(cell, bench)
    norms = found["watched"][-1]["weights"][layer - 1]
    return {**{name: norms[name] for name in LOW}, **found["pictures"][layer - 1]}


def lower(rows: Any, columns: Sequence[str], ours: Sequence[Axes], than: Axes) -> bool | None:
    """Whether all of these columns are lower in all of ours than in another cell; None where one was not computed."""
    bars = {column: of(rows, column, **than) for column in columns}
    found = {column: [of(rows, column, **axes) for axes in ours] for column in columns}
    if not (all(bars.values()) and all(value for values in found.values() for value in values)):
        return None
    return all(fmean(value) < fmean(bars[column]) for column, values in found.items() for value in values)


def of(rows: Any, column: str, **axes: Any) -> list[float]:
    """The values of a column in all cells with these axes."""
    return [
        row[column]
        for row in rows
        if row.get(column) is not None and all(row.get(name) == value for name, value in axes.items())
    ]
