"""A table of your own that can be stopped at any time: each cell is computed once and kept as a small JSON file.

    python examples/a_table_of_your_own.py

How many directions does a cut need? Ranks down, seeds across. Stop it, start it again, or start it twice at once: no
cell is done twice. Delete `out/examples/table` to begin anew. Under half a minute on a laptop.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from rich.console import Console
from torch import nn

import corank
from corank.experiment import Store
from corank.report import Column, table_text
from corank.report.format import percent
from corank.result import Scalar

RANKS = (2, 4, 8, 16)
SEEDS = (0, 1)


@cache
def trained(seed: int, epochs: int) -> nn.Module:
    """The network that all cells of a seed share."""
    network = corank.open_network("vgg_digits", dataset=corank.load_data("digits"), seed=seed).network
    corank.fit(network, batches_of(seed), epochs=epochs, optimiser=partial(torch.optim.Adam, lr=1e-3), seed=seed)
    return network


def batches_of(seed: int) -> corank.Batches:
    """The training images in the order of a seed."""
    return corank.Batches(corank.load_data("digits").train, 64, shuffle=True, seed=seed)


def compute(rank: int, seed: int, epochs: int) -> dict[str, Scalar]:
    """One cell: the network of this seed, cut after its third convolution."""
    print(f"computing rank {rank}, seed {seed}")
    data, batches, network = corank.load_data("digits"), batches_of(seed), trained(seed, epochs)
    small = corank.ASNet(layer=3, rank=rank, epochs=0, seed=seed).compress(network, batches)
    validation = corank.Batches(data.validation, 500)  # a rank is a choice, and the test split makes none
    return {
        "accuracy": corank.accuracy(small.network, validation),
        "of the network": corank.accuracy(network, validation),
        **small.row(),
    }


def main(epochs: int = 5) -> dict[tuple[int, int], dict[str, Any]]:
    """Fill the table and print it.

    Args:
        epochs: of training each network.
    """
    store = Store(Path("out/examples/table"))
    found = {
        (rank, seed): store.once(f"rank-{rank}-seed-{seed}-epochs-{epochs}", partial(compute, rank, seed, epochs))
        for rank in RANKS
        for seed in SEEDS
    }
    columns = [
        Column("directions"),
        Column("accuracy", show=percent),
        Column("spread", show=percent),
        Column("of the network", show=percent),
        Column("storage (MB)"),
    ]
    rows = []
    for rank in RANKS:
        cells = [found[rank, seed] for seed in SEEDS]
        accuracies = [cell["accuracy"] for cell in cells]
        rows.append(
            (rank, mean(accuracies), stdev(accuracies), mean(cell["of the network"] for cell in cells),
             cells[0]["storage_mb"])
        )  # fmt: skip
    caption = f"validation accuracy before fine-tuning, mean and spread over {len(SEEDS)} seeds"
    Console().print(table_text(columns, rows, caption))
    return found


if __name__ == "__main__":
    main()
