"""A teacher whose last layers are replaced by a reduced-order network, as Tables 5.1 to 5.4 and Figure 5.3 have it.

The teacher is a trained network, or one that was pruned then (Daulbaev 2023, sec. 5.4.3). Ratios, drops and times are
to the trained one, whatever was pruned before. One reduced network serves every table and figure that shows it.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

import torch
from torch import nn

from corank.compress import RON, Compressed, Prune
from corank.compress.ron import MapsName
from corank.experiment.bench import Bench, Teacher, Wanted, top_accuracies
from corank.experiment.recipe import Axes, Cell, Column, Grid, digest, every
from corank.network import capture, cost, latencies, load_graph, save_graph
from corank.train.evaluate import device_of
from corank.zoo import Batches

TIMED_IMAGES = 64
TIMED_SECONDS = 10.0
TIMED_CALLS = 20
TOP1_BEFORE = Column(name="top1_before", unit="%", better="higher")
TOP5_BEFORE = Column(name="top5_before", unit="%", better="higher")
TOP1_AFTER = Column(name="top1_after", unit="%", better="higher")
TOP5_AFTER = Column(name="top5_after", unit="%", better="higher")
DROP_BEFORE = Column(name="drop_before", unit="points", better="lower")
DROP_AFTER = Column(name="drop_after", unit="points", better="lower")
SPEED_UP = Column(name="speed_up", unit="times", better="higher")
RATIO = Column(name="multiply_adds_ratio", unit="times", better="higher")
_COLUMNS = (TOP1_BEFORE, TOP5_BEFORE, TOP1_AFTER, TOP5_AFTER, DROP_BEFORE, DROP_AFTER, SPEED_UP, RATIO)
_NOTHING: dict[str, float | None] = dict.fromkeys(column.name for column in _COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Reducing:
    """Under which circumstances a network is reduced.

    Attributes:
        network: the teacher, a name of the zoo.
        data: it learnt.
        teacher_epochs: of its training; None takes a weights file.
        train_images: that everything is found from and tuned on.
        test_images: that accuracies are read from.
        samples: that bases are found from.
        maps: between the new layers, by the thesis' formula or fitted.
        rows: features kept a direction.
        batch_size: of all that is found and tuned.
        epochs: of fine-tuning, also of a pruned network's.
        batch_norm: whether fine-tuned layers have one.
        dropout: share of the kept features that fine-tuning leaves out.
        pruned_ratio: how many times fewer multiply-adds a network has that is pruned first.
    """

    network: str
    data: str
    teacher_epochs: int | None = field(default=None, metadata={"none": "those of a weights file"})
    train_images: int | None = field(default=None, metadata={"none": "all"})
    test_images: int | None = field(default=None, metadata={"none": "all"})
    samples: int | None = field(default=None, metadata={"none": "all"})
    maps: MapsName = "interpolated"
    rows: float = 1.5
    batch_size: int = 256
    epochs: int = 250
    batch_norm: bool = True
    dropout: float = 0.3
    pruned_ratio: float = 2.0

    def teacher(self, bench: Bench) -> Teacher:
        """The trained network on its data."""
        return bench.teacher(
            Wanted(
                network=self.network,
                data=self.data,
                epochs=self.teacher_epochs,
                train_images=self.train_images,
                test_images=self.test_images,
            )
        )


# Tables 5.1 and 5.4 and Figure 5.3 are about these networks.
PUBLISHED = Reducing(network="vgg19", data="cifar10", teacher_epochs=60)
QUICK = replace(
    PUBLISHED, data="cifar10-jpeg", teacher_epochs=None, samples=4_096, epochs=2, batch_norm=False, dropout=0.0
)
SMALL = Reducing(
    network="vgg_digits", data="digits", teacher_epochs=1, batch_size=64, epochs=1, batch_norm=False, dropout=0.0
)
FROM_LAYERS = (10, 9, 8, 7, 6, 5)
_CELLS: tuple[Axes, ...] = (
    {"network": "teacher"},
    *every(network=["RON"], from_layer=FROM_LAYERS),
    {"network": "pruned"},
    *every(network=["pruned+RON"], from_layer=FROM_LAYERS),
)
_SMALL_CELLS: tuple[Axes, ...] = (
    {"network": "teacher"},
    {"network": "RON", "from_layer": 5},
    {"network": "pruned"},
    {"network": "pruned+RON", "from_layer": 5},
)
PRESETS = {
    "smoke": (Grid(cells=_SMALL_CELLS, options=SMALL, stands_in=True),),
    "quick": (Grid(cells=_CELLS, options=QUICK),),
    "paper": (Grid(cells=_CELLS, options=PUBLISHED),),
}
"""Of Table 5.1 and of Figure 5.3, which show the same networks."""


def reduced_row(cell: Cell[Reducing], bench: Bench) -> dict[str, Any]:
    """All columns above: of the teacher, of the pruned network, or of either reduced from a layer on.

    Returns:
        Accuracies in percent before and after fine-tuning, and how many points less than the teacher's they are; how
        many times faster than the teacher it is, and how many times fewer multiply-adds it has. None where there is
        no such number. `latency` has the times, and `layers` what became of every layer of a reduced network.
    """
    teacher = cell.options.teacher(bench)
    who = cell.axes["network"]
    if who == "teacher":
        own = {"top1_after": 100 * teacher.top1, "top5_after": 100 * teacher.top5}
        return {**_NOTHING, **own, "speed_up": 1.0, "multiply_adds_ratio": 1.0}
    found = _pruned(cell.options, teacher, bench) if who == "pruned" else _reduced(cell, teacher, bench)
    drops = {
        f"drop_{when}": None if (top1 := found[f"top1_{when}"]) is None else 100 * teacher.top1 - top1
        for when in ("before", "after")
    }
    return {**found, **drops}


def comparable(row: Mapping[str, Any], cell: Cell[Reducing], published: Reducing) -> dict[str, Any]:
    """A row without the accuracies of which no printed number speaks, those on other data than the paper's.

    What was lost to their own teacher stays, as do costs and times; the accuracies go to `on_other_data`.
    """
    if cell.stands_in or cell.options.data == published.data:
        return dict(row)
    told = {name: value for name, value in row.items() if name.startswith("top")}
    return {**row, **dict.fromkeys(told), "on_other_data": told}


def _reduced(cell: Cell[Reducing], teacher: Teacher, bench: Bench) -> dict[str, Any]:
    """What the store keeps of a reduced network; a fine-tuning that was stopped goes on."""
    options, first, factor = cell.options, cell.axes["from_layer"], cell.axes.get("factor")
    assert isinstance(first, int)
    assert factor is None or isinstance(factor, int)
    compressor = RON(
        layer=first - 1, factor=factor, vbmf=factor is None, rows=options.rows, maps=options.maps,
        samples=options.samples, batch_norm=options.batch_norm, dropout=options.dropout, tuning="thesis",
        epochs=options.epochs, seed=cell.seed,
    )  # fmt: skip
    kept = digest([cell.axes, asdict(options)])
    key = f"thesis/networks/{options.network}-{options.data}-from-{first}-{kept}/seed-{cell.seed}"
    unfinished = bench.store.path(f"{key}.checkpoint")

    def reduce() -> Mapping[str, Any]:
        network = _pruned_network(options, teacher, bench) if cell.axes["network"] == "pruned+RON" else teacher.network
        batches = Batches(teacher.data.train, options.batch_size, shuffle=True, seed=cell.seed)
        validation = Batches(teacher.data.validation, options.batch_size)
        small = compressor.compress(network, batches, validation=validation, checkpoint=unfinished)
        return {**_measured(small, teacher), "layers": [layer.row() for layer in small.layers]}

    found = bench.store.once(key, reduce)
    shutil.rmtree(unfinished, ignore_errors=True)
    return found


def _pruned(options: Reducing, teacher: Teacher, bench: Bench) -> dict[str, Any]:
    """What is known of the pruned network; like teachers it has the seed 0 and is made once."""
    folder = bench.store.path(f"{_pruned_place(options)}/network")

    def prune() -> Mapping[str, Any]:
        bench.report(f"pruning {options.network} on {options.data}, {options.epochs} epochs of fine-tuning")
        batches = Batches(teacher.data.train, options.batch_size, shuffle=True)
        validation = Batches(teacher.data.validation, options.batch_size)
        compressor = Prune(multiply_adds_ratio=options.pruned_ratio, multiple=1, epochs=options.epochs)
        small = compressor.compress(teacher.network, batches, validation=validation, checkpoint=folder / "checkpoint")
        example = torch.zeros(2, *teacher.data.test.images.shape[1:], device=device_of(small.network))
        save_graph(capture(small.network, example), folder)
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        return _measured(small, teacher)

    return bench.store.once(f"{_pruned_place(options)}/trained", prune)


def _pruned_network(options: Reducing, teacher: Teacher, bench: Bench) -> nn.Module:
    _pruned(options, teacher, bench)
    return load_graph(bench.store.path(f"{_pruned_place(options)}/network")).to(device_of(teacher.network))


def _pruned_place(options: Reducing) -> str:
    return f"teachers/{options.network}-{options.data}-pruned-{digest(asdict(options))}"


def _measured(small: Compressed, teacher: Teacher) -> dict[str, Any]:
    """The columns of a smaller network but its drops: accuracies as it came and after fine-tuning, cost and time."""
    states = {"before": small.network if small.fitted is None else small.fitted}
    if small.training is not None:
        states["after"] = small.network
    accuracies = {
        f"{top}_{when}": 100 * share
        for when, network in states.items()
        for top, share in top_accuracies(network, teacher.data.test).items()
    }
    images = next(iter(Batches(teacher.data.test, TIMED_IMAGES)))[0]
    on_cpu = {name: copy.deepcopy(network).cpu() for name, network in
              {"teacher": teacher.network, "small": small.network}.items()}  # fmt: skip
    times = latencies(on_cpu, images, seconds=TIMED_SECONDS, repeats=TIMED_CALLS)
    whole = cost(on_cpu["teacher"], images.shape[1:])
    return {
        **_NOTHING,
        **accuracies,
        "multiply_adds_ratio": whole.multiply_adds / small.overall.multiply_adds,
        "speed_up": times["teacher"].median_ms / times["small"].median_ms,
        "latency": {name: time.row() for name, time in times.items()},
    }


def reaches(
    network: str, first: int, when: str, ratio: float, gain: float
) -> Callable[[Sequence[Mapping[str, Any]]], bool | None]:
    """The test of a claim that a reduced network is so much cheaper, and so many points better than the teacher.

    Args:
        network: "RON" or "pruned+RON".
        first: the first layer replaced, in the row that the claim is about.
        when: "before" or "after" fine-tuning.
        ratio: of multiply-adds, and
        gain: of accuracy in points, both to two digits as they are printed.
    """

    def holds(rows: Sequence[Mapping[str, Any]]) -> bool | None:
        own = [row for row in rows if (row["network"], row.get("from_layer")) == (network, first)]
        told = [row for row in own if row[f"drop_{when}"] is not None]
        if not told:
            return None
        cheaper = round(fmean(row["multiply_adds_ratio"] for row in told), 2) >= ratio
        return cheaper and round(-fmean(row[f"drop_{when}"] for row in told), 2) >= gain

    return holds
