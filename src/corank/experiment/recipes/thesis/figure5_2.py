"""Daulbaev 2023, Figure 5.2 with sec. 5.4.2: LeNets made narrower fifteen times, each time after a training.

The network is trained with one step size and then with a smaller one; then every hidden layer is reduced to a share of
its width, and so on. A cell is the network after so many reductions: how many times fewer multiply-adds it has, and its
accuracy as it came from the reduction and after the training that follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import Any

import torch
from torch import nn

from corank.compress import RON
from corank.experiment.bench import Bench, thinned, top_accuracies
from corank.experiment.networks import open_network
from corank.experiment.recipe import Cell, Claim, Grid, Table, digest, every
from corank.experiment.recipes.thesis.reducing import DROP_AFTER, RATIO, TOP1_AFTER, TOP1_BEFORE
from corank.network import cost
from corank.train import fit
from corank.train.devices import checked_device
from corank.zoo import Batches, Dataset, load_data

BATCH_SIZE = 128
REDUCTIONS = 15
NO_DROP = 0.5  # points of accuracy that are called approximately none


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """Under which circumstances a network is made narrower again and again.

    Attributes:
        network: a name of the zoo.
        data: it learns.
        share: of the width of every hidden layer that a reduction leaves.
        reductions: how many.
        epochs: of each of the two parts of a training.
        rates: step sizes of these parts.
        train_images: that are learnt from.
    """

    network: str
    data: str = "mnist"
    share: float
    reductions: int = REDUCTIONS
    epochs: int = 25
    rates: tuple[float, float] = (1e-3, 5e-4)
    train_images: int | None = field(default=None, metadata={"none": "all"})


_PUBLISHED = (Narrowing(network="lenet_300_100", share=0.7), Narrowing(network="lenet_500_300", share=0.75))
_SMOKE = Narrowing(network="lenet_300_100", data="digits", share=0.7, reductions=2, epochs=1)


def _eight_times(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether LeNet-500-300 comes to more than 8 times fewer multiply-adds at the accuracy it had."""
    cells: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["network"] == "lenet_500_300" and row["drop_after"] is not None:
            cells.setdefault(row["reductions"], []).append(row)
    found = any(
        fmean(row["multiply_adds_ratio"] for row in cell) > 8 and fmean(row["drop_after"] for row in cell) <= NO_DROP
        for cell in cells.values()
    )
    return found or (False if len(cells) == REDUCTIONS else None)


def _grids(epochs: int) -> tuple[Grid[Narrowing], ...]:
    return tuple(
        Grid(
            cells=every(network=[options.network], reductions=range(REDUCTIONS + 1)),
            options=replace(options, epochs=epochs),
        )
        for options in _PUBLISHED
    )


TABLE = Table(
    title="LeNet-300-100 and LeNet-500-300 on MNIST, trained and reduced in turns",
    axes=("network", "reductions"),
    columns=(RATIO, TOP1_BEFORE, TOP1_AFTER, DROP_AFTER),
    presets={
        "smoke": (Grid(cells=every(network=["lenet_300_100"], reductions=[0, 1, 2]), options=_SMOKE, stands_in=True),),
        "quick": _grids(epochs=5),
        "paper": _grids(epochs=25),
    },
    claims=(
        Claim(
            quote="Our method is able to achieve more then $8 \\times$ acceleration",
            holds=_eight_times,
            is_main=True,
        ),
    ),
)


def run_cell(cell: Cell[Narrowing], bench: Bench) -> Mapping[str, Any]:
    """The network after so many reductions; the last of them is followed by no training."""
    options = cell.options
    key = f"thesis/narrowing/{options.network}-{options.data}-{digest(asdict(options))}/seed-{cell.seed}"
    found = bench.store.once(key, lambda: {"networks": _narrowed(options, bench, cell.seed)})
    return next(dict(row) for row in found["networks"] if row["reductions"] == cell.axes["reductions"])


def _narrowed(options: Narrowing, bench: Bench, seed: int) -> list[dict[str, Any]]:
    """A row for each number of reductions."""
    whole = load_data(options.data, bench.sources.data_root)
    data = replace(whole, train=thinned(whole.train, options.train_images))
    network = open_network(options.network, dataset=data, seed=seed).network
    network.to(checked_device(bench.sources.device))
    dense = cost(network, data.test.images.shape[1:]).multiply_adds
    compressor = RON(factor=1 / options.share, maps="interpolated", rows=1.0, epochs=0, seed=seed)
    rows: list[dict[str, Any]] = []
    for reductions in range(options.reductions + 1):
        row: dict[str, Any] = {
            "reductions": reductions,
            "multiply_adds_ratio": dense / cost(network, data.test.images.shape[1:]).multiply_adds,
            "top1_before": _top1(network, data) if reductions else None,
            "top1_after": None,
            "drop_after": None,
        }
        rows.append(row)
        if reductions == options.reductions:
            return rows
        bench.report(f"training {options.network} after {reductions} of {options.reductions} reductions")
        batches = Batches(data.train, BATCH_SIZE, shuffle=True, seed=seed * (REDUCTIONS + 1) + reductions)
        for rate in options.rates:
            fit(
                network, batches, epochs=options.epochs, optimiser=partial(torch.optim.Adam, lr=rate), seed=seed,
                label=f"{options.network}, {reductions} reductions",
            )  # fmt: skip
        row["top1_after"] = _top1(network, data)
        row["drop_after"] = rows[0]["top1_after"] - row["top1_after"]
        network = compressor.compress(network, batches).network
    return rows


def _top1(network: nn.Module, data: Dataset) -> float:
    return 100 * top_accuracies(network, data.test)["top1"]
