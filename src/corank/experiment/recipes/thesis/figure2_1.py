"""Daulbaev 2023, Figure 2.1: images that a random residual block moves forth and back do not return.

The block's branch is the field. Where the way back misses the first state, the reverse dynamic method has a wrong
gradient.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Column, Grid, Table, every
from corank.ode import DormandPrince5, SolveError, round_trip_error
from corank.train.randomness import derived_seed
from corank.zoo import load_data
from corank.zoo.nets.odenet import ODENET, ResidualBlock

_CELLS: tuple[Axes, ...] = every(weights=("standard normal", "as layers begin"), tolerance=(1e-3, 1e-5, 1e-7))
_CLEARLY = 0.1  # of the image's size: what an eye sees


@dataclass(frozen=True, kw_only=True)
class RoundTrips:
    """What is sent forth and back.

    Attributes:
        data: whose test images.
        images: how many, each through a block of its own.
    """

    data: str = "mnist"
    images: int = 100


def _some_do_not_return(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether some standard normal weights let most images miss where they came from."""
    missed = [row["missed"] for row in rows if row["weights"] == "standard normal"]
    return max(missed) > 0.5 if missed else None


TABLE = Table(
    title="How far images come back from where they went, through a random residual block",
    axes=("weights", "tolerance"),
    columns=(Column(name="error", better="lower"), Column(name="missed", better="lower")),
    presets={
        "smoke": (Grid(cells=_CELLS[::3], options=RoundTrips(data="digits", images=3), stands_in=True),),
        "quick": (Grid(cells=_CELLS, options=replace(RoundTrips(), images=40)),),
        "paper": (Grid(cells=_CELLS, options=RoundTrips()),),
    },
    claims=(
        Claim(
            quote=(
                "Images on the left and on the right should coincide in order to perform an accurate backward pass, "
                "but they obviously do not."
            ),
            holds=_some_do_not_return,
        ),
    ),
)


def run_cell(cell: Cell[RoundTrips], bench: Bench) -> Mapping[str, Any]:
    """The median error over the images, and the share of those that come back clearly elsewhere or not at all."""
    test = load_data(cell.options.data, bench.sources.data_root).test
    images = test.images[: cell.options.images].float() / 255
    tolerance, weights = float(str(cell.axes["tolerance"])), str(cell.axes["weights"])
    errors = [
        _missed_by(_branch(image.shape[0], weights, derived_seed(cell.seed, index, "block")), image[None], tolerance)
        for index, image in enumerate(images)
    ]
    middle = statistics.median(errors)
    return {
        "error": middle if math.isfinite(middle) else None,
        "missed": sum(error > _CLEARLY for error in errors) / len(errors),
    }


def _branch(channels: int, weights: str, seed: int) -> nn.Module:
    """Convolution, ReLU, convolution."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        branch = ResidualBlock(channels, channels, 1, replace(ODENET, block_norm="none")).branch
        if weights == "standard normal":
            for parameter in branch.parameters():
                nn.init.normal_(parameter)
    return branch


def _missed_by(branch: nn.Module, image: Tensor, tolerance: float) -> float:
    """The error of one image; infinite where a solve does not end."""

    def field(t: Tensor, z: Tensor) -> Tensor:
        moved: Tensor = branch(z)
        return moved

    try:
        return round_trip_error(field, image, [0.0, 1.0], solver=DormandPrince5(rtol=tolerance, atol=tolerance))
    except SolveError:
        return math.inf
