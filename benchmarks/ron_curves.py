"""How much narrower do LeNets become before they lose accuracy?

Daulbaev 2023, sec. 5.4.2, with 6 epochs a round instead of 50, at the first number of rounds that gives more than eight
times fewer multiply-adds on MNIST. Beside each other, with as many epochs in all: the thesis' way (the recipe
`thesis/figure5_2`: rounds of reducing and training from labels, interpolated maps, as many features as directions, step
sizes 1e-3 and 5e-4), `RON(iterations=...)` with fitted maps, 1.5 features a direction and distillation, the same in one
round, that with batch norms and dropout, a new network of these widths, and the whole one, trained on. All but the
thesis' rounds, which go on in their steps, are as wide as eight times fewer multiply-adds allow. What is finished is
kept in the store of results.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from _common import arguments, write
from torch import nn

from corank.compress import RON
from corank.experiment.bench import Bench, Teacher, Wanted, top_accuracies
from corank.experiment.recipe import Cell
from corank.experiment.recipes.thesis.figure5_2 import BATCH_SIZE, Narrowing, run_cell
from corank.experiment.store import open_store
from corank.network import Normalised, cost
from corank.train import fit
from corank.zoo import Batches

SHARES = {"lenet_300_100": 0.7, "lenet_500_300": 0.75}
WIDTHS = {"lenet_300_100": (300, 100), "lenet_500_300": (500, 300)}
FEWER, POINTS = 8.0, 0.3
TEACHER_EPOCHS = 15
ROWS = 1.5
SAMPLES = 10_000
RATE = 1e-3
DROPOUT = 0.05
REDUCTIONS = 15  # of the thesis' curve


def main() -> None:
    """Train, reduce and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], threads=1, epochs=3, seeds=2)
    bench = Bench(open_store(None), report=lambda stage: print(stage, flush=True))
    found: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for network in SHARES:
            found.append(Contest(network, options.epochs, seed, bench).held())
            print(found[-1], flush=True)
    write(
        "ron_curves",
        (__doc__ or "").splitlines()[0],
        {
            "setting": {**vars(options), "teacher_epochs": TEACHER_EPOCHS, "batch": BATCH_SIZE}, "data": "mnist",
            "bar": f"more than {FEWER:g} x fewer within {POINTS} points on lenet_500_300", "networks": found,
        },
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Contest:
    """One network and one seed."""

    network: str
    epochs: int
    seed: int
    bench: Bench

    def held(self) -> dict[str, Any]:
        """Test accuracies in percent by how the small network came to be, and what each cost."""
        wanted = Wanted(network=self.network, data="mnist", epochs=TEACHER_EPOCHS, train_images=None, test_images=None)
        teacher = self.bench.teacher(wanted)
        ways: dict[str, Callable[[Teacher], dict[str, Any]]] = {
            "fitted, in turns": self.in_turns,
            "fitted, at once": self.at_once,
            "fitted, at once, regularised": self.regularised,
            "new, of these widths": self.new,
            "thesis, in turns": self.thesis,
            "whole, trained on": self.trained_on,
        }
        rows = []
        for way, made in ways.items():
            key = f"benchmarks/ron_curves/{self.network}-{way.replace(' ', '-')}-{self.epochs}-epochs/seed-{self.seed}"
            row = self.bench.store.once(key, partial(made, teacher))
            rows.append({"way": way, **row, "drop": 100 * teacher.top1 - row["test_accuracy"]})
            print(self.network, self.seed, rows[-1], flush=True)
        return {"network": self.network, "seed": self.seed, "teacher": 100 * teacher.top1, "rounds": self.rounds,
                "rows": rows}  # fmt: skip

    @property
    def rounds(self) -> int:
        """How many the thesis' share needs."""
        found = 0
        widths: tuple[int, ...] = WIDTHS[self.network]
        while not self.is_narrow(widths):
            found, widths = found + 1, narrowed(widths, SHARES[self.network])
        return found

    @property
    def share(self) -> float:
        """The largest share of all widths, in thousandths, that is narrow enough."""
        shares = (thousandth / 1000 for thousandth in range(999, 0, -1))
        return next(share for share in shares if self.is_narrow(narrowed(WIDTHS[self.network], share)))

    def is_narrow(self, widths: tuple[int, ...]) -> bool:
        """Whether such widths are more than eight times cheaper."""
        return weights(WIDTHS[self.network]) > FEWER * weights(widths)

    def in_turns(self, teacher: Teacher) -> dict[str, Any]:
        """Reduced and distilled, round after round."""
        return self.reduced(teacher, self.share ** (1 / self.rounds), self.rounds)

    def at_once(self, teacher: Teacher) -> dict[str, Any]:
        """Reduced once, and distilled for as many epochs."""
        return self.reduced(teacher, self.share, 1)

    def regularised(self, teacher: Teacher) -> dict[str, Any]:
        """The same with batch norms, a little dropout and larger steps."""
        return self.reduced(teacher, self.share, 1, batch_norm=True, dropout=DROPOUT, head_rate=2 * RATE)

    def reduced(self, teacher: Teacher, share: float, rounds: int, **more: Any) -> dict[str, Any]:
        """A share of each width is left in so many rounds each."""
        epochs = 2 * self.epochs * self.rounds // rounds
        options = {"head_rate": RATE, **more}
        compressor = RON(
            factor=ROWS / share, rows=ROWS, samples=SAMPLES, iterations=rounds, epochs=epochs, seed=self.seed, **options
        )
        data = teacher.data
        batches = Batches(data.train, BATCH_SIZE, shuffle=True, seed=self.seed)
        small = compressor.compress(teacher.network, batches, validation=Batches(data.validation, 500))
        return {
            "multiply_adds_ratio": small.multiply_adds_ratio, "epochs": epochs * rounds,
            "test_accuracy": 100 * top_accuracies(small.network, data.test)["top1"],
            "rounds": [
                {"multiply_adds_ratio": small.original.multiply_adds / row.overall.multiply_adds,
                 "validation_accuracy": 100 * (row.validation_accuracy or math.nan)}
                for row in small.rounds
            ],
        }  # fmt: skip

    def thesis(self, teacher: Teacher) -> dict[str, Any]:
        """The first row of the recipe's curve that is narrow enough, with the curve; it trains its own teacher."""
        narrowing = Narrowing(
            network=self.network, share=SHARES[self.network], reductions=REDUCTIONS, epochs=self.epochs
        )
        rows = [
            run_cell(
                Cell(
                    recipe="thesis/figure5_2", preset="benchmark", axes={"network": self.network, "reductions": number},
                    options=narrowing, stands_in=False, seed=self.seed,
                ),
                self.bench,
            )
            for number in range(REDUCTIONS)
        ]  # fmt: skip
        row = next(row for row in rows if row["multiply_adds_ratio"] > FEWER)
        return {
            "multiply_adds_ratio": row["multiply_adds_ratio"], "test_accuracy": row["top1_after"],
            "epochs": 2 * self.epochs * (row["reductions"] + 1), "rounds": [dict(row) for row in rows],
        }  # fmt: skip

    def new(self, teacher: Teacher) -> dict[str, Any]:
        """A new network of the last widths, with the teacher's epochs on top of those of the rounds."""
        torch.manual_seed(self.seed)
        first, second = narrowed(WIDTHS[self.network], self.share)
        inner = nn.Sequential(
            nn.Flatten(), nn.Linear(784, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 10)
        )
        whole = Normalised(inner, list(teacher.data.mean), list(teacher.data.std))
        return self.trained(whole, teacher, TEACHER_EPOCHS + 2 * self.epochs * self.rounds)

    def trained_on(self, teacher: Teacher) -> dict[str, Any]:
        """The teacher itself, trained for as many epochs more."""
        return self.trained(teacher.network, teacher, 2 * self.epochs * self.rounds)

    def trained(self, network: nn.Module, teacher: Teacher, epochs: int) -> dict[str, Any]:
        """From the labels, half of the epochs at each of the thesis' step sizes."""
        own = copy.deepcopy(network)
        batches = Batches(teacher.data.train, BATCH_SIZE, shuffle=True, seed=self.seed)
        for rate, part in zip((1e-3, 5e-4), (epochs - epochs // 2, epochs // 2), strict=True):
            fit(own, batches, epochs=part, optimiser=partial(torch.optim.Adam, lr=rate), seed=self.seed)
        shape = teacher.data.shape
        return {
            "multiply_adds_ratio": cost(teacher.network, shape).multiply_adds / cost(own, shape).multiply_adds,
            "epochs": epochs, "test_accuracy": 100 * top_accuracies(own, teacher.data.test)["top1"],
        }  # fmt: skip


def narrowed(widths: tuple[int, ...], share: float) -> tuple[int, ...]:
    """The widths that `RON` leaves of a share of the directions."""
    ranks = (math.ceil(width * share / ROWS) for width in widths)
    return tuple(math.ceil(ROWS * rank) for rank in ranks)


def weights(widths: tuple[int, ...]) -> int:
    """Multiply-adds of a network of these widths."""
    first, second = widths
    return 784 * first + first * second + second * 10


if __name__ == "__main__":
    main()
