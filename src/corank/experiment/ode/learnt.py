"""What became of a density that was learnt: its course, how well it fits, and what its pictures are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from corank.network import evaluation_mode
from corank.ode.divergence import Exact
from corank.ode.flow import Flow
from corank.result import Result, Scalar
from corank.train.randomness import derived_seed
from corank.zoo.data.densities import PointData

GRID = 120  # points along each side of the picture
SHOWN = 1000  # points of data and samples
WAYS, PARTS = 40, 40  # trajectories, and parts of each block's way
_JUDGED_AT_ONCE = 2000  # points
_MARGIN = 0.15  # of the extent of the data, on every side


@final
@dataclass(frozen=True, kw_only=True)
class DensityRow:
    """After a stretch of the training.

    Attributes:
        step: gradient steps done.
        seconds: of training so far.
        train_loss: mean negative log-density of the stretch, in nats, while the flow changed.
        test_loss: that of held-out points, with the exact divergence.
        evaluations_forward: of the fields, in the last step.
        evaluations_backward: of the fields, in its backward pass.
        gradient: the method that gave the gradient.
    """

    step: int
    seconds: float
    train_loss: float
    test_loss: float
    evaluations_forward: int
    evaluations_backward: int
    gradient: str


@final
@dataclass(frozen=True, kw_only=True)
class LearntDensity(Result):
    """A flow's fit, with what is needed to show it.

    Attributes:
        name: of the data.
        dimension: of a point.
        test_points: held-out points.
        test_log_density: their mean log-density, in nats.
        mass: what the density sums up to over the picture, one but for what lies outside; None beyond the plane.
        rows: the course of the training.
        low, high: the corners of the picture, in the first two coordinates.
        density: `(GRID, GRID)` over the picture, rows by the second coordinate; None beyond the plane.
        data: held-out points, the first two coordinates.
        samples: of the flow, likewise.
        ways: `(times, WAYS, 2)`, from the Gaussian to samples.
    """

    name: str
    dimension: int
    test_points: int
    test_log_density: float
    mass: float | None
    rows: tuple[DensityRow, ...]
    low: tuple[float, float] = field(metadata={"json": False})
    high: tuple[float, float] = field(metadata={"json": False})
    density: Tensor | None = field(metadata={"json": False})
    data: Tensor = field(metadata={"json": False})
    samples: Tensor = field(metadata={"json": False})
    ways: Tensor = field(metadata={"json": False})

    def row(self) -> dict[str, Scalar]:
        """The fit, and what the training took."""
        last = self.rows[-1]
        return {
            "data": self.name,
            "test log-density": self.test_log_density,
            "steps": last.step,
            "seconds": last.seconds,
            "evaluations forward": last.evaluations_forward,
            "evaluations backward": last.evaluations_backward,
        }


@torch.no_grad()
def pictured(flow: Flow, data: PointData, rows: Sequence[DensityRow], seed: int) -> LearntDensity:
    """Evaluate a trained flow, and draw what its pictures show.

    Args:
        flow: in evaluation mode.
        data: what it was trained on.
        rows: the course of its training, at least one.
        seed: of the samples.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, "samples"))
    shown = data.test[:SHOWN]
    if data.dimension == 1:
        shown = torch.cat([shown, torch.zeros_like(shown)], 1)
    extent = shown[:, :2].aminmax(dim=0)
    half = (0.5 + _MARGIN) * (extent.max - extent.min).max().clamp(min=1e-3)  # equal scales in both coordinates
    middle = (extent.min + extent.max) / 2
    low, high = middle - half, middle + half
    density, mass = None, None
    if data.dimension == 2:
        density, mass = _on_grid(flow, low, high)
    samples = flow.sample(SHOWN, generator)
    ways = flow.trajectories(WAYS, PARTS, generator)
    return LearntDensity(
        name=data.name,
        dimension=data.dimension,
        test_points=len(data.test),
        test_log_density=mean_log_density(flow, data.test),
        mass=mass,
        rows=tuple(rows),
        low=(float(low[0]), float(low[1])),
        high=(float(high[0]), float(high[1])),
        density=density,
        data=shown[:, :2],
        samples=_plane(samples),
        ways=_plane(ways),
    )


@torch.no_grad()
def mean_log_density(flow: Flow, points: Tensor) -> float:
    """The mean of the log-density over points, with the exact divergence whatever the flow is trained with."""
    return float(_log_densities(flow, points).double().mean())


def _on_grid(flow: Flow, low: Tensor, high: Tensor) -> tuple[Tensor, float]:
    """The density at the middles of a grid's cells, and its sum times their area."""
    size = (high - low) / GRID
    x, y = (float(low[axis]) + float(size[axis]) * (torch.arange(GRID) + 0.5) for axis in (0, 1))
    points = torch.cartesian_prod(y, x).flip(1)
    values = _log_densities(flow, points).exp()
    return values.reshape(GRID, GRID), float(values.double().sum()) * float(size.prod())


def _log_densities(flow: Flow, points: Tensor) -> Tensor:
    """With the exact divergence, some points at a time."""
    kept = flow.divergence
    flow.divergence = Exact()
    try:
        with evaluation_mode(flow):
            return torch.cat([flow.log_density(part) for part in torch.split(points, _JUDGED_AT_ONCE)])
    finally:
        flow.divergence = kept


def _plane(points: Tensor) -> Tensor:
    return torch.cat([points, torch.zeros_like(points)], -1) if points.shape[-1] == 1 else points[..., :2]
