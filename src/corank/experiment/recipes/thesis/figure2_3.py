"""Daulbaev 2023, Figure 2.3: the error of IRDM's gradient by nodes and tolerance, for the equation y' = A y^3.

A field is trained on trajectories of the equation; then its gradient by IRDM is held against backpropagation through a
solve with a tolerance of 1e-7.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from corank.experiment.bench import Bench
from corank.experiment.recipe import Axes, Cell, Claim, Column, Grid, Table, digest, every
from corank.ode import IRDM, Chebyshev, DormandPrince5, reference_gradient, solve
from corank.train.randomness import derived_seed

_A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]], dtype=torch.float64)
_CELLS: tuple[Axes, ...] = every(nodes=(4, 8, 16, 32, 64), tolerance=(1e-2, 1e-3, 1e-4, 1e-5, 1e-6))
_REFERENCE = 1e-7  # tolerance of the backpropagation that is compared with
_EXACT = 1e-9  # tolerance of the equation's own trajectories


@dataclass(frozen=True, kw_only=True)
class Cubic:
    """How the field is trained.

    Attributes:
        hidden: units of its hidden layer.
        starts: trajectories.
        end_time: their length.
        steps: of Adam.
        learning_rate: of Adam.
    """

    hidden: int = 50
    starts: int = 20
    end_time: float = 1.0
    steps: int = 500
    learning_rate: float = 1e-2


class CubicField(nn.Module):
    """Two linear layers with a tanh between them, of the third powers of the state.

    Args:
        hidden: units of the hidden layer.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 2)).double()

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        """The field at states `(B, 2)`."""
        moved: Tensor = self.layers(y**3)
        return moved


def _smaller_tolerance_is_better(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether, for every number of nodes, each smaller tolerance has a smaller error."""
    return _all_fall(rows, by="nodes", along="tolerance")


def _more_nodes_are_worse(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether, for every tolerance, each larger number of nodes has a larger error."""
    return _all_fall(rows, by="tolerance", along="nodes")


def _all_fall(rows: Sequence[Mapping[str, Any]], *, by: str, along: str) -> bool | None:
    """Whether the error falls as one axis does, for every value of the other."""
    lines: dict[float, dict[float, float]] = defaultdict(dict)
    for row in rows:
        lines[row[by]][row[along]] = row["error"]
    steps = [pair for line in lines.values() for pair in pairwise(line[value] for value in sorted(line))]
    return all(lower < higher for lower, higher in steps) if steps else None


TABLE = Table(
    title="Error of IRDM's gradient by nodes and tolerance, for y' = A y³",
    axes=("nodes", "tolerance"),
    columns=(Column(name="error", better="lower"), Column(name="relative_error", better="lower")),
    presets={
        "smoke": (
            Grid(
                cells=({"nodes": 4, "tolerance": 1e-2}, {"nodes": 16, "tolerance": 1e-4}),
                options=Cubic(hidden=8, starts=3, steps=2),
                stands_in=True,
            ),
        ),
        "quick": (Grid(cells=_CELLS, options=Cubic(steps=100)),),
        "paper": (Grid(cells=_CELLS, options=Cubic()),),
    },
    claims=(
        Claim(
            quote=(
                "the smaller tolerance, the more accurate gradients approximation for all considered number of nodes "
                "in the Chebyshev grid"
            ),
            holds=_smaller_tolerance_is_better,
        ),
        Claim(
            quote="the larger number of nodes leads to decreasing the approximation quality",
            holds=_more_nodes_are_worse,
        ),
    ),
)


def run_cell(cell: Cell[Cubic], bench: Bench) -> Mapping[str, Any]:
    """The distance of the gradients in the l1 norm, as it is and relative to the reference's."""
    options, tolerance = cell.options, float(str(cell.axes["tolerance"]))
    starts, loss = _problem(options, cell.seed)
    field = CubicField(options.hidden)
    key = f"thesis/cubic/{digest(asdict(options))}/seed-{cell.seed}"
    weights = bench.store.once(key, lambda: {"weights": _trained(options, starts, loss, cell.seed)})["weights"]
    nn.utils.vector_to_parameters(torch.tensor(weights, dtype=torch.float64), field.parameters())
    times = (0.0, options.end_time)
    last = solve(
        field,
        starts,
        times,
        solver=DormandPrince5(rtol=tolerance, atol=tolerance),
        gradient=IRDM(interpolation=Chebyshev(nodes=int(str(cell.axes["nodes"])), printed_weights=True)),
    ).last
    assert isinstance(last, Tensor)
    found = torch.cat([one.reshape(-1) for one in torch.autograd.grad(loss(last), list(field.parameters()))])
    exact = reference_gradient(field, starts, times, loss, tight=_REFERENCE)
    error = float((found - exact).abs().sum())
    return {"error": error, "relative_error": error / float(exact.abs().sum())}


def _problem(options: Cubic, seed: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Where trajectories begin, and the mean distance from where the equation leads them."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "starts"))
    starts = 4 * torch.rand(options.starts, 2, generator=generator, dtype=torch.float64) - 2
    with torch.no_grad():
        ends = solve(
            lambda t, y: y**3 @ _A,
            starts,
            (0.0, options.end_time),
            solver=DormandPrince5(rtol=_EXACT, atol=_EXACT),
        ).last
    assert isinstance(ends, Tensor)
    return starts, lambda last: (last - ends).abs().mean()


def _trained(options: Cubic, starts: Tensor, loss: Callable[[Tensor], Tensor], seed: int) -> list[float]:
    """The weights of a field after its training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "field"))
        field = CubicField(options.hidden)
        for parameter in field.parameters():
            nn.init.normal_(parameter, std=0.1)
    optimiser = torch.optim.Adam(field.parameters(), lr=options.learning_rate)
    for _ in range(options.steps):
        optimiser.zero_grad()
        last = solve(field, starts, (0.0, options.end_time), gradient="checkpoint").last
        assert isinstance(last, Tensor)
        loss(last).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return nn.utils.parameters_to_vector(field.parameters()).tolist()
