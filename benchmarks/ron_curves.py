"""How much narrower do LeNets become before they lose accuracy, if they are trained and reduced in turns?

The recipe `ron/figure2` (Daulbaev 2023, sec. 5.4.2) with fewer epochs: 3 at a step size of 1e-3 and 3 at 5e-4 a round
instead of 25 and 25. Beside each network: the whole network trained for as many rounds, and a new network of the narrow
widths trained for as many, which says what the reduction itself was worth. The row to look at is chosen before the run:
the first with more than eight times fewer multiply-adds. What is finished is kept in the store of results.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from _common import arguments, write
from torch import nn

from corank.experiment import open_network
from corank.experiment.bench import Bench, top_accuracies
from corank.experiment.recipe import Cell
from corank.experiment.recipes.ron.figure2 import BATCH_SIZE, Narrowing, run_cell
from corank.experiment.store import Store, open_store
from corank.network import Normalised, cost
from corank.train import fit
from corank.zoo import Batches, Dataset, load_data

SHARES = {"lenet_300_100": 0.7, "lenet_500_300": 0.75}
WIDTHS = {"lenet_300_100": (300, 100), "lenet_500_300": (500, 300)}
FEWER, POINTS = 8.0, 0.3


def main() -> None:
    """Train, reduce and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], threads=1, epochs=3, reductions=15, seeds=2)
    store, data = open_store(None), load_data("mnist")
    curves: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for network in SHARES:
            curves.append(curve(network, options.epochs, options.reductions, seed, data, store))
            print(curves[-1], flush=True)
    write(
        "ron_curves",
        (__doc__ or "").splitlines()[0],
        {
            "setting": vars(options), "data": "mnist", "training_images": len(data.train),
            "test_images": len(data.test), "bar": f"{FEWER} x fewer within {POINTS} points on lenet_500_300",
            "curves": curves,
        },
    )  # fmt: skip


def curve(network: str, epochs: int, reductions: int, seed: int, data: Dataset, store: Store) -> dict[str, Any]:
    """One network made narrower again and again, with what it is compared to at the row to look at."""
    narrowing = Narrowing(network=network, share=SHARES[network], reductions=reductions, epochs=epochs)
    bench = Bench(store, report=lambda stage: print(stage, flush=True))
    rows = [
        run_cell(
            Cell(
                recipe="ron/figure2", preset="benchmark", axes={"network": network, "reductions": number},
                options=narrowing, stands_in=False, seed=seed,
            ),
            bench,
        )
        for number in range(reductions)
    ]  # fmt: skip
    chosen = next((row for row in rows if row["multiply_adds_ratio"] > FEWER), rows[-1])
    rounds = chosen["reductions"] + 1
    first, second = WIDTHS[network]
    for _ in range(chosen["reductions"]):
        first, second = (math.ceil(width / (1 / SHARES[network])) for width in (first, second))
    narrow = (first, second)

    def controls() -> dict[str, Any]:
        whole = trained(WIDTHS[network], data, epochs, rounds, seed)
        small = trained(narrow, data, epochs, rounds, seed)
        dense = cost(whole, data.shape).multiply_adds
        return {
            "whole_network_as_long": 100 * top_accuracies(whole, data.test)["top1"],
            "narrow_network_from_scratch": 100 * top_accuracies(small, data.test)["top1"],
            "narrow_widths": narrow, "narrow_multiply_adds_ratio": dense / cost(small, data.shape).multiply_adds,
        }  # fmt: skip

    key = f"benchmarks/ron_curves/{network}-epochs-{epochs}-rounds-{rounds}/seed-{seed}"
    return {
        "network": network, "seed": seed, "share_a_round": SHARES[network], "row": dict(chosen),
        "controls": store.once(key, controls), "rows": [dict(row) for row in rows],
    }  # fmt: skip


def trained(widths: tuple[int, int], data: Dataset, epochs: int, rounds: int, seed: int) -> nn.Module:
    """A network of these widths after so many rounds of the recipe's training, without any reduction."""
    named = [name for name, known in WIDTHS.items() if known == widths]
    network = open_network(named[0], dataset=data, seed=seed).network if named else fresh(widths, data, seed)
    for number in range(rounds):
        batches = Batches(data.train, BATCH_SIZE, shuffle=True, seed=1000 * (seed + 1) + number)
        for rate in Narrowing(network="", share=1).rates:
            fit(network, batches, epochs=epochs, optimiser=partial(torch.optim.Adam, lr=rate), seed=seed)
    return network


def fresh(widths: tuple[int, int], data: Dataset, seed: int) -> nn.Module:
    """A new network of these widths with PyTorch's initial weights."""
    torch.manual_seed(seed)
    inner = nn.Sequential(
        nn.Flatten(), nn.Linear(784, widths[0]), nn.ReLU(), nn.Linear(*widths), nn.ReLU(), nn.Linear(widths[1], 10)
    )
    return Normalised(inner, list(data.mean), list(data.std))


if __name__ == "__main__":
    main()
