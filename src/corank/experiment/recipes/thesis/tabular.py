"""What Figures 2.4 and 2.5 share: the density of the table miniboone, learnt by ten blocks in a row."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from corank.errors import InputError
from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes
from corank.experiment.recipes.thesis.learning import Learning
from corank.ode.concatsquash import ActivationName
from corank.ode.flow_options import DivergenceName, FlowOptions
from corank.zoo import load_data
from corank.zoo.data.densities import PointData, load_points
from corank.zoo.data.load import DATA_ROOT_VARIABLE


@dataclass(frozen=True, kw_only=True)
class TableLearning(Learning):
    """Under which circumstances the density of a table is learnt.

    Attributes:
        points_of: miniboone, a file in the data root, or digits, whose images are 64 numbers each.
        blocks: fields in a row.
        activation: between their layers.
        divergence: how it is had.
        absolute_tolerance: of the solver, where `tolerance` is the relative one.
    """

    points_of: str = "miniboone"
    blocks: int = 10
    activation: ActivationName = "softplus"
    divergence: DivergenceName = "gaussian"
    absolute_tolerance: float = 1e-8

    def flow(self, axes: Axes) -> FlowOptions:
        """The flow of a cell."""
        return FlowOptions(
            blocks=self.blocks, hidden=self.hidden, activation=self.activation, divergence=self.divergence,
            rtol=self.tolerance, atol=self.absolute_tolerance, **self.gradient_of(axes),
        )  # fmt: skip

    def points(self, axes: Axes, bench: Bench) -> PointData:
        """The rows of the table."""
        return _digits() if self.points_of == "digits" else _in_root(self.points_of, bench.sources.data_root)


TABLE_PUBLISHED = TableLearning(steps=1000, hidden=(860, 860), batch_size=10_000, tolerance=1e-7)
TABLE_QUICK = replace(
    TABLE_PUBLISHED, points_of="digits", steps=150, hidden=(64, 64), batch_size=100, blocks=2, tolerance=1e-5,
    absolute_tolerance=1e-6,
)  # fmt: skip
TABLE_SMALL = replace(TABLE_QUICK, steps=2, hidden=(8,), batch_size=10, tolerance=1e-2, absolute_tolerance=1e-2)


def _in_root(name: str, data_root: Path | None) -> PointData:
    """The rows of a file in the data root."""
    given = data_root or os.environ.get(DATA_ROOT_VARIABLE)
    for suffix in (".npz", ".csv"):
        if given and (file := Path(given).expanduser() / f"{name}{suffix}").is_file():
            return load_points(str(file))
    raise InputError(
        f"{name} needs {name}.npz (its array x) or {name}.csv in the data root (--data-root or {DATA_ROOT_VARIABLE}), "
        f"got {given!r}"
    )


def _digits() -> PointData:
    """The pictures of digits as rows of 64 numbers between 0 and 1, each moved within its step of grey."""
    data = load_data("digits")
    noise = torch.Generator().manual_seed(0)

    def rows(pictures: Tensor) -> Tensor:
        grey = pictures.flatten(1).float() * (16 / 255)
        return (grey + torch.rand(grey.shape, generator=noise)) / 17

    train, test = rows(data.train.images), rows(data.test.images)

    def draw(count: int, generator: torch.Generator) -> Tensor:
        return train[torch.randint(len(train), (count,), generator=generator)]

    std, mean = torch.std_mean(train.double(), 0)
    return PointData(name="digits", draw=draw, test=test, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
