"""Sanyal et al. 2020, Table 6: what a max-margin classifier makes of images that fooled the network it stands on.

White box, images are perturbed on the network itself until they fool it. Those for N-LR are perturbed on N-LR until
they fool 1-LR, for as much noise; black box, all are perturbed on N-LR until they fool the network (app. D.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from corank.attack.deepfool import DeepFool
from corank.attack.victim import Victim
from corank.experiment.bench import Bench, Teacher
from corank.experiment.recipe import Axes, Cell, Claim, Column, Grid, Table, digest, every
from corank.experiment.recipes.low_rank_representations.embedded import (
    MNIST_LAST,
    SMALL_LAST,
    Embedding,
    hybrid_of,
)
from corank.experiment.recipes.low_rank_representations.minimal import ITERATIVE, LARGEST, REACH
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    MODELS,
    ONE,
    PLAIN,
    RESNET18,
    exceeds,
    images_of,
    together,
)
from corank.experiment.recipes.low_rank_representations.under_descent import BLACK, WHITE

COLUMNS = tuple(Column(name=name, better="higher") for name in ("deepfool", *ITERATIVE))
STRETCH = 1.25  # from one length of DeepFool's perturbations to the next
LENGTHS = 20
_CELLS: tuple[Axes, ...] = (*every(access=[WHITE], model=MODELS), *every(access=[BLACK], model=DEFENDED))


def _more_robust(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether hybrid models of networks with low-rank layers are right more often than the plain one's, white box."""
    white = [row for row in rows if row["access"] == WHITE]
    return together([exceeds(white, column.name, model) for model in DEFENDED for column in COLUMNS])


TABLE = Table(
    title="Share of the images that fooled a network which a max-margin classifier on it gets right",
    axes=("access", "model"),
    columns=COLUMNS,
    presets={
        "smoke": (Grid(cells=every(access=[WHITE], model=[ONE]), options=SMALL_LAST, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=MNIST_LAST, stands_in=True),),
        "paper": (Grid(cells=_CELLS, options=Embedding(comparing=RESNET18)),),
    },
    claims=(
        Claim(
            quote="especially more robust when the representations come from LR models than N-LR models",
            holds=_more_robust,
        ),
    ),
)


def run_cell(cell: Cell[Embedding], bench: Bench) -> Mapping[str, Any]:
    """The hybrid model of one network; None where nothing fooled it."""
    key = f"low_rank_representations/fooled/{digest([asdict(cell.options), dict(cell.axes)])}/seed-{cell.seed}"
    return dict(bench.store.once(key, lambda: _rightly(cell, bench)))


def _rightly(cell: Cell[Embedding], bench: Bench) -> dict[str, Any]:
    model, comparing = str(cell.axes["model"]), cell.options.comparing
    hybrid, own = hybrid_of(cell.options, model, None, cell.seed, bench)
    is_own = cell.axes["access"] == WHITE and model != PLAIN
    judged = comparing.trained(ONE, bench) if model == PLAIN else own
    source = own if is_own else comparing.trained(PLAIN, bench)
    x, y = images_of(judged)
    victim = Victim(judged.network, judged.data.bounds)
    right = victim.classes(x) == y
    x, y = x[right], y[right]
    found: dict[str, Any] = {}
    for name in (column.name for column in COLUMNS):
        bench.report(f"{model}, {cell.axes['access']}: {name.replace('_', ' ')} until it fools the network")
        inputs, labels = first_that_fool(_longer_and_longer(name, cell, judged, source, x, y), victim, y)
        with torch.no_grad():
            classes = hybrid.network(inputs).argmax(1) if len(labels) else labels
        found[name] = float((classes == labels).double().mean()) if len(labels) else None
        found[f"fooled_by_{name}"] = len(labels) / len(y)
    return found


def first_that_fool(candidates: Iterator[Tensor], victim: Victim, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of each input the first candidate that fools a network, and its label; none of those that never do.

    Args:
        candidates: all inputs, perturbed more and more.
        victim: the network.
        labels: of the inputs.
    """
    taken, fooled = torch.empty(0), torch.zeros_like(labels, dtype=torch.bool)
    for inputs in candidates:
        taken = taken if len(taken) else inputs.clone()
        hits = ~fooled & (victim.classes(inputs) != labels)
        taken[hits] = inputs[hits]
        fooled |= hits
    return taken[fooled], labels[fooled]


def _longer_and_longer(
    name: str, cell: Cell[Embedding], judged: Teacher, source: Teacher, x: Tensor, y: Tensor
) -> Iterator[Tensor]:
    """What an attack makes; on another network with more and more steps, or stretched by more and more."""
    bounds, stride = judged.data.bounds, cell.options.comparing.stride
    is_own = judged.network is source.network
    if name == "deepfool":
        moved = DeepFool(seed=cell.seed).attack(source.network, x, y, bounds=bounds).inputs - x
        for length in range(1 if is_own else LENGTHS):
            yield Victim(judged.network, bounds).clipped(x + STRETCH**length * moved)
        return
    steps = REACH // stride
    for taken in [steps] if is_own else [2**power for power in range(steps.bit_length())]:
        attack = ITERATIVE[name](
            radius=LARGEST, steps=taken, step_size=stride / 255, stop=is_own, seed=cell.seed
        )  # fmt: skip
        yield attack.attack(judged.network, x, y, bounds=bounds, source=source.network).inputs
