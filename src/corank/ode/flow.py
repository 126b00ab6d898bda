"""Continuous normalising flows: a density carried from a Gaussian to the data by ordinary differential equations.

Chen et al. 2018; Grathwohl et al. 2019, FFJORD; Daulbaev's thesis, sections 1.2 and 2.5. A point of the data is carried
back to the Gaussian, and the integral of the divergence along its way says how the density has changed:
`log p(x) = log p(z0) - int_0^T tr(df/dz) dt`. Several fields follow each other, each over its own interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.ode.divergence import Divergence, Exact
from corank.ode.gradient import Gradient
from corank.ode.solution import Solution
from corank.ode.solved import solved
from corank.ode.solvers import DormandPrince5, Solver
from corank.ode.statistics import Statistics

TOLERANCE = 1e-5
"""Of the thesis' toy densities."""


class Flow(nn.Module):
    """A density on vectors of `dimension` numbers that can be evaluated and drawn from.

    Args:
        fields: `f(t, z)` on `(B, dimension)`, one or more blocks, the one next to the Gaussian first.
        dimension: of a point.
        solver: of all blocks.
        gradient: method by name or object.
        divergence: how the trace is had.
        end_time: the length of each block's interval.
        mean, std: of the data, which the flow sees centred and scaled; in the log-density this is counted.

    Attributes:
        statistics: what the last log-density cost, one for each block; the backward pass adds its own costs.

    Raises:
        InputError: no field, or numbers out of range.

    Example:
        >>> from corank.ode.concatsquash import ConcatSquashField
        >>> flow = Flow([ConcatSquashField(2, hidden=(8,))], dimension=2)
        >>> flow.log_density(torch.zeros(3, 2)).shape, flow.sample(5, torch.Generator().manual_seed(0)).shape
        (torch.Size([3]), torch.Size([5, 2]))
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        fields: Sequence[nn.Module],
        *,
        dimension: int,
        solver: Solver = DormandPrince5(rtol=TOLERANCE, atol=TOLERANCE),  # noqa: B008 - frozen
        gradient: str | Gradient = "auto",
        divergence: Divergence = Exact(),  # noqa: B008 - frozen
        end_time: float = 1.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if not fields or dimension < 1:
            raise InputError(f"a flow needs at least one field and one dimension, got {len(fields)} and {dimension}")
        if not 0 < end_time < math.inf:
            raise InputError(f"end_time must be positive, got {end_time}")
        self.fields = nn.ModuleList(fields)
        self.dimension = dimension
        self.solver = solver
        self.gradient = gradient
        self.divergence = divergence
        self.end_time = end_time
        self.statistics: tuple[Statistics, ...] = ()
        self.register_buffer("mean", _per_coordinate("mean", mean, 0.0, dimension))
        self.register_buffer("std", _per_coordinate("std", std, 1.0, dimension))
        if not bool((self.std > 0).all()):
            raise InputError(f"std must be positive, got {self.std.tolist()}")

    def forward(self, x: Tensor) -> Tensor:
        """`log_density`, so that a flow trains as any network does."""
        return self.log_density(x)

    def log_density(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The logarithm of the density, `(B,)`, at points `(B, dimension)`.

        Args:
            x: the points.
            generator: of Hutchinson's noise, drawn once for each block; by default torch's global one.

        Raises:
            InputError: points of another dimension, or a field that the solver cannot follow.
        """
        z, change = self.encoded(x, generator)
        return self.base_log_density(z) - change - self.std.log().sum()

    def encoded(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """The Gaussian points that data come from, and the integral of the divergence along each way."""
        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise InputError(f"points must be (B, {self.dimension}), got shape {tuple(x.shape)}")
        z = (x - self.mean) / self.std
        change = torch.zeros_like(z[:, 0])
        counts: list[Statistics] = []
        for field in reversed(self.fields):
            noise = self.divergence.noise(z, generator)
            augmented = _Augmented(field, self.divergence, noise)
            state = torch.cat([z, torch.zeros_like(z[:, :1])], 1)
            solution = solved(augmented, state, (self.end_time, 0.0), self.solver, self.gradient)
            state = _values(solution)[-1]
            z, change = state[:, :-1], change - state[:, -1]
            counts.append(solution.statistics)
        self.statistics = tuple(counts)
        return z, change

    def base_log_density(self, z: Tensor) -> Tensor:
        """The logarithm of the standard Gaussian density."""
        return -0.5 * (z * z).sum(1) - 0.5 * self.dimension * math.log(2 * math.pi)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Points `(count, dimension)` drawn from the density.

        Raises:
            InputError: no points are asked for.
        """
        return self.trajectories(count, generator=generator)[-1]

    def trajectories(self, count: int, steps: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """The ways of drawn points from the Gaussian to the data, as `decoded` has them.

        Raises:
            InputError: no points are asked for.
        """
        if count < 1:
            raise InputError(f"at least one point must be drawn, got {count}")
        return self.decoded(torch.randn(count, self.dimension, generator=generator).to(self.mean), steps)

    def decoded(self, z: Tensor, steps: int = 1) -> Tensor:
        """The ways `(blocks * steps + 1, B, dimension)` of Gaussian points to the data; the last are data.

        Args:
            z: Gaussian points `(B, dimension)`.
            steps: how many equal parts each block's way is shown in.

        Raises:
            InputError: fewer than one part.
        """
        if steps < 1:
            raise InputError(f"steps must be at least 1, got {steps}")
        times = tuple(self.end_time * part / steps for part in range(steps + 1))
        ways = [z[None]]
        for field in self.fields:
            ways.append(_values(solved(field, ways[-1][-1], times, self.solver, self.gradient))[1:])
        return torch.cat(ways) * self.std + self.mean


@final
@dataclass(frozen=True, kw_only=True)
class NegativeLogDensity:
    """The objective of a flow: the mean of `-log p(x)` over a batch, in nats; labels are not looked at."""

    def __call__(self, network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The mean at points `x`."""
        mean: Tensor = network(x).mean()
        return -mean


class _Augmented(nn.Module):
    """A field with the divergence as one more coordinate: `(B, dimension + 1)`, with the noise of one solve."""

    def __init__(self, field: nn.Module, divergence: Divergence, noise: Tensor | None) -> None:
        super().__init__()
        self.field = field
        self.divergence = divergence
        self.noise = noise

    def forward(self, t: Tensor, state: Tensor) -> Tensor:
        dz, rate = self.divergence.of(self.field, t, state[..., :-1], self.noise)
        return torch.cat([dz, rate[..., None]], -1)


def _values(solution: Solution) -> Tensor:
    assert isinstance(solution.values, Tensor)
    return solution.values


def _per_coordinate(name: str, values: Sequence[float] | None, default: float, dimension: int) -> Tensor:
    given = torch.full((dimension,), default) if values is None else torch.tensor(list(values))
    if given.shape != (dimension,):
        raise InputError(f"{name} must be {dimension} numbers, one a coordinate, got {given.numel()}")
    return given.float()
