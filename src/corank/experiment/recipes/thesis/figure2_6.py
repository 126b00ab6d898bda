"""Daulbaev 2023, Figure 2.6: evaluations of the field in training an autoencoder of Frey faces with a flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Column, Grid, Table, digest
from corank.ode.flow_options import FlowOptions
from corank.ode.vae import BoundPerDimension, FlowVAE
from corank.train import fit
from corank.train.fit import EpochEnd
from corank.train.randomness import derived_seed
from corank.zoo import load_data
from corank.zoo.data.frey_faces import load_frey_faces

_CELLS: tuple[Axes, ...] = ({"method": "RDM"}, {"method": "IRDM", "nodes": 8}, {"method": "IRDM", "nodes": 16})


@dataclass(frozen=True, kw_only=True)
class Autoencoding:
    """Under which circumstances autoencoders are trained.

    Attributes:
        data: freyfaces, or digits.
        epochs: passes over the training pictures.
        batch_size: pictures a step.
        learning_rate: of Adam.
        latent: numbers a picture is told by.
        hidden: units of encoder and decoder.
        flow_hidden: units of the flow's field.
        tolerance: of the solver, relative and absolute.
        pictures: that are trained on; None for all.
    """

    data: str = "freyfaces"
    epochs: int = 1000
    batch_size: int = 100
    learning_rate: float = 5e-4
    latent: int = 20
    hidden: tuple[int, ...] = (300, 300)
    flow_hidden: tuple[int, ...] = (64, 64)
    tolerance: float = 1e-5
    pictures: int | None = None


PUBLISHED = Autoencoding()
QUICK = replace(PUBLISHED, epochs=20, tolerance=1e-4)
SMALL = Autoencoding(
    data="digits", epochs=1, latent=2, hidden=(8,), flow_hidden=(4,), tolerance=1e-2, pictures=100
)  # fmt: skip


def _fewer_evaluations(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether every IRDM took fewer evaluations than RDM."""
    bar = next((row["evaluations"] for row in rows if row["method"] == "RDM"), None)
    others = [row["evaluations"] for row in rows if row["method"] == "IRDM"]
    return all(count < bar for count in others) if others and bar is not None else None


TABLE = Table(
    title="Evaluations of the field in training an autoencoder of Frey faces",
    axes=("method", "nodes"),
    columns=(
        Column(name="evaluations", better="lower"),
        Column(name="bits_per_dimension", unit="bits", better="lower"),
        Column(name="seconds", unit="s", better="lower"),
    ),
    presets={
        "smoke": (Grid(cells=_CELLS[:2], options=SMALL, stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=QUICK),),
        "paper": (Grid(cells=_CELLS, options=PUBLISHED),),
    },
    claims=(
        Claim(
            quote="a minor acceleration of convergence provided by the IRDM compared to the RDM",
            holds=_fewer_evaluations,
        ),
    ),
)


def run_cell(cell: Cell[Autoencoding], bench: Bench) -> Mapping[str, Any]:
    """One training: evaluations of the field a step, the bound on test pictures, and the time."""
    options, axes = cell.options, cell.axes
    key = f"thesis/autoencoders/{digest([asdict(options), dict(axes)])}/seed-{cell.seed}"

    def train() -> Mapping[str, Any]:
        bench.report(f"training an autoencoder of {options.data}: {dict(axes)}")
        return _trained(options, axes, bench, cell.seed)

    return bench.store.once(key, train)


def _trained(options: Autoencoding, axes: Mapping[str, Any], bench: Bench, seed: int) -> dict[str, Any]:
    train, test = _pictures(options, bench)
    flow = FlowOptions(
        hidden=options.flow_hidden, gradient=str(axes["method"]).lower(), nodes=axes.get("nodes"),
        rtol=options.tolerance, atol=options.tolerance,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "autoencoder"))
        vae = FlowVAE(flow.build(options.latent), pixels=train[0].numel(), hidden=options.hidden)
    counts: list[int] = []

    def count(end: EpochEnd) -> None:
        (found,) = vae.flow.statistics
        counts.append(found.evaluations_forward + found.evaluations_backward)

    history = fit(
        vae,
        _Shuffled(train, options.batch_size),
        epochs=options.epochs,
        optimiser=partial(torch.optim.Adam, lr=options.learning_rate),
        objective=BoundPerDimension(),
        callbacks=[count],
        seed=seed,
        label="training an autoencoder",
    )
    with torch.no_grad():
        bound = float(vae.eval().bound(test, torch.Generator().manual_seed(seed)).mean())
    return {
        "evaluations": sum(counts) / len(counts),
        "bits_per_dimension": vae.bits_per_dimension(bound),
        "seconds": sum(row.seconds for row in history.rows),
        "course": [row.loss for row in history.rows],
    }


def _pictures(options: Autoencoding, bench: Bench) -> tuple[Tensor, Tensor]:
    if options.data == "freyfaces":
        train, test = load_frey_faces(bench.sources.data_root)
    else:
        data = load_data(options.data, bench.sources.data_root)
        train, test = data.train.images, data.test.images
    return train[: options.pictures], test


class _Shuffled:
    """Pictures in a new order in each epoch, drawn from the stream of the training's data."""

    def __init__(self, pictures: Tensor, batch_size: int) -> None:
        self.pictures, self.batch_size = pictures, batch_size

    def __len__(self) -> int:
        return -(-len(self.pictures) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in torch.split(torch.randperm(len(self.pictures)), self.batch_size):
            yield self.pictures[chosen].float() / 255, torch.zeros(len(chosen), dtype=torch.int64)
