"""A teacher cut and finished by a polynomial, as Tables 1 to 5 have it: what it costs and how accurate it is.

Costs follow from shapes and are counted on a network without training, but for those of an ASNet-s, which are its
nonzeros; accuracies need the teacher (Cui et al. 2020, sec. 5.1). One cut network serves every table that shows it.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from corank.compress import ASNet, forecast
from corank.experiment.bench import Bench, Teacher, Wanted, top_accuracies
from corank.experiment.recipe import Cell, Column, digest
from corank.network import Cost, cost
from corank.zoo import Batches, input_shape

ORDER = 2  # of the polynomial, in all experiments of the paper
BATCH_SIZE = 64

COSTS = (
    Column(name="pre_storage_mb", unit="MB", better="lower"),
    Column(name="pre_storage_ratio", unit="times", better="higher"),
    Column(name="head_storage_mb", unit="MB", better="lower"),
    Column(name="head_storage_ratio", unit="times", better="higher"),
    Column(name="storage_mb", unit="MB", better="lower"),
    Column(name="storage_ratio", unit="times", better="higher"),
    Column(name="pre_multiply_adds_millions", unit="millions", better="lower"),
    Column(name="pre_multiply_adds_ratio", unit="times", better="higher"),
    Column(name="head_multiply_adds_millions", unit="millions", better="lower"),
    Column(name="head_multiply_adds_ratio", unit="times", better="higher"),
    Column(name="multiply_adds_millions", unit="millions", better="lower"),
    Column(name="multiply_adds_ratio", unit="times", better="higher"),
)
TOP1 = Column(name="top1", unit="%", better="higher")
TOP5 = Column(name="top5", unit="%", better="higher")


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """Under which circumstances a network is cut.

    Attributes:
        network: the teacher, a name of the zoo.
        classes: its outputs.
        data: it learnt; None counts costs only.
        teacher_epochs: of its training; None takes a weights file.
        train_images: that directions, polynomial and fine-tuning see.
        test_images: that accuracies are read from.
        gradients: that directions are found from.
        epochs: of fine-tuning.
        pre_rate: its step size before the cut; behind it stands the paper's 1e-5.
        sparse_epochs: of the training for zeros after it; none makes an ASNet, some an ASNet-s.
        sparse_weight: lambda, of the l1 penalty.
    """

    network: str
    classes: int = 10
    data: str | None = field(metadata={"none": "none"})
    teacher_epochs: int | None = field(default=None, metadata={"none": "those of a weights file"})
    train_images: int | None = field(default=None, metadata={"none": "all"})
    test_images: int | None = field(default=None, metadata={"none": "all"})
    gradients: int | None = field(default=None, metadata={"none": "all"})
    epochs: int = 50
    pre_rate: float = 1e-4
    sparse_epochs: int = 0
    sparse_weight: float = 1e-3

    def teacher(self, bench: Bench) -> Teacher:
        """The teacher on its data."""
        assert self.data is not None
        return bench.teacher(
            Wanted(
                network=self.network,
                data=self.data,
                epochs=self.teacher_epochs,
                train_images=self.train_images,
                test_images=self.test_images,
            )
        )


SMALL = Cutting(network="vgg_digits", data="digits", teacher_epochs=1, gradients=256, epochs=1)
SMALL_SPARSE = replace(SMALL, sparse_epochs=1, sparse_weight=1.0)
"""Cases that take seconds, for the preset smoke."""


def cut_row(cell: Cell[Cutting], bench: Bench) -> dict[str, Any]:
    """The columns `COSTS`, `TOP1` and `TOP5`: of a cut network as it is in the end, or of the teacher."""
    found = trained(cell, bench)
    costs = found.pop("costs", None) or costs_of(cell, bench)
    who = "teacher" if _cut_of(cell) is None else "final"
    return {**found, **costs, "top1": found[f"{who}_top1"], "top5": found[f"{who}_top5"]}


def costs_of(cell: Cell[Cutting], bench: Bench) -> dict[str, float | None]:
    """The columns `COSTS` of an ASNet, or of the teacher where the cell has no layer; no training is needed."""
    network, shape = cell.options.network, input_shape(cell.options.network)
    untrained = bench.untrained(network, cell.options.classes)
    if (place := _cut_of(cell)) is None:
        whole = cost(untrained, shape)
        none: dict[str, float | None] = dict.fromkeys(column.name for column in COSTS)
        return {**none, "storage_mb": whole.storage_mb, "multiply_adds_millions": whole.multiply_adds_millions}
    layer, rank = place
    found = forecast(untrained, layer, torch.zeros(2, *shape), rank=rank, order=ORDER)
    return {**_costs(found.network, found.pre, found.pre, found.head), **_NO_RATIO_OF_THE_SAME}


def trained(cell: Cell[Cutting], bench: Bench) -> dict[str, Any]:
    """What training tells of a cell.

    Returns:
        Accuracies in percent, `<state>_top1` and `<state>_top5`, of the states teacher, before (fine-tuning), after
        (it) and final; `epsilon`, the share of the gradients missed; and `costs`, the columns `COSTS` of an ASNet-s.
        None where nothing of the kind was trained.
    """
    states = ("teacher", "before", "after", "final")
    found: dict[str, Any] = dict.fromkeys(f"{state}_{top}" for state in states for top in ("top1", "top5"))
    found |= {"epsilon": None, "costs": None}
    if cell.options.data is None:
        return found
    teacher = cell.options.teacher(bench)
    found |= {"teacher_top1": 100 * teacher.top1, "teacher_top5": 100 * teacher.top5}
    if (place := _cut_of(cell)) is None:
        return found
    layer, rank = place
    key = f"{_kept_at(cell.options, layer, rank)}/seed-{cell.seed}"
    unfinished = bench.store.path(f"{key}.checkpoint")
    found |= bench.store.once(key, lambda: _cut(cell.options, teacher, layer, rank, cell.seed, unfinished))
    shutil.rmtree(unfinished, ignore_errors=True)
    return found


def _cut(options: Cutting, teacher: Teacher, layer: int, rank: int, seed: int, unfinished: Path) -> dict[str, Any]:
    """What the store keeps of a cut network; trainings that were stopped go on from the folder `unfinished`."""
    compressor = ASNet(
        layer=layer, rank=rank, order=ORDER, samples=options.gradients, epochs=options.epochs,
        pre_rate=options.pre_rate, seed=seed,
    )  # fmt: skip
    if options.sparse_epochs:
        compressor = replace(
            compressor, sparse="l1", sparse_epochs=options.sparse_epochs, sparse_weight=options.sparse_weight
        )
    batches = Batches(teacher.data.train, BATCH_SIZE, shuffle=True, seed=seed)
    small = compressor.compress(teacher.network, batches, checkpoint=unfinished)
    states = {"before": small.fitted, "final": small.network} | ({"after": small.tuned} if small.training else {})
    found: dict[str, Any] = {
        f"{state}_{top}": 100 * share
        for state, network in states.items()
        for top, share in top_accuracies(network, teacher.data.test).items()
    }
    if small.sparse is not None:
        found["costs"] = _costs(small.original, small.pre, small.sparse.pre, small.sparse.head)
    return {**found, "epsilon": 1 - small.captured_heldout}


_NO_RATIO_OF_THE_SAME = {"pre_storage_ratio": None, "pre_multiply_adds_ratio": None}


def _costs(whole: Cost, dense_pre: Cost, pre: Cost, head: Cost) -> dict[str, float | None]:
    """The columns `COSTS`; ratios are to the teacher, and those of a part to its part before or behind the cut."""
    overall = pre + head
    return {
        "pre_storage_mb": pre.storage_mb,
        "pre_storage_ratio": dense_pre.storage_mb / pre.storage_mb,
        "head_storage_mb": head.storage_mb,
        "head_storage_ratio": (whole.storage_mb - dense_pre.storage_mb) / head.storage_mb,
        "storage_mb": overall.storage_mb,
        "storage_ratio": whole.storage_mb / overall.storage_mb,
        "pre_multiply_adds_millions": pre.multiply_adds_millions,
        "pre_multiply_adds_ratio": dense_pre.multiply_adds / pre.multiply_adds,
        "head_multiply_adds_millions": head.multiply_adds_millions,
        "head_multiply_adds_ratio": (whole.multiply_adds - dense_pre.multiply_adds) / head.multiply_adds,
        "multiply_adds_millions": overall.multiply_adds_millions,
        "multiply_adds_ratio": whole.multiply_adds / overall.multiply_adds,
    }


def _cut_of(cell: Cell[Cutting]) -> tuple[int, int] | None:
    """Layer and rank of a cell's cut; None for the teacher itself."""
    layer, rank = cell.axes.get("layer"), cell.axes.get("rank")
    return (layer, rank) if isinstance(layer, int) and isinstance(rank, int) else None


def _kept_at(options: Cutting, layer: int, rank: int) -> str:
    named = f"{options.network}-{options.data}-layer-{layer}-rank-{rank}"
    return f"asnet/networks/{named}-{digest([layer, rank, asdict(options)])}"
