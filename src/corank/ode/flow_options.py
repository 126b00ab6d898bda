"""The options of a flow of concatsquash fields: what a run folder holds to build it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import torch

from corank.errors import InputError, near
from corank.ode.choices import solver_of, solver_options
from corank.ode.concatsquash import ActivationName, ConcatSquashField
from corank.ode.divergence import Divergence, Exact, Hutchinson
from corank.ode.flow import TOLERANCE, Flow
from corank.ode.gradient_options import GradientOptions
from corank.ode.solvers import Solver

DivergenceName = Literal["exact", "rademacher", "gaussian"]


@dataclass(frozen=True, kw_only=True)
class FlowOptions(GradientOptions):
    """How a flow is built, beside its gradient; the defaults are the thesis' for toy densities (section 2.5.1.2).

    Args:
        blocks: fields that follow each other.
        hidden: units of each hidden layer of a field.
        activation: tanh or softplus.
        divergence: exact, or Hutchinson's estimate with rademacher or gaussian noise.
        end_time: the length of each block's interval.
        solver: by name: dopri5, tsit5, rk4, ...
        rtol: relative tolerance of an adaptive solver.
        atol: absolute tolerance of an adaptive solver.
        solver_steps: of a solver with fixed steps.

    Raises:
        InputError: an option out of its range, or an unknown name.
    """

    blocks: int = 1
    hidden: tuple[int, ...] = (64, 64)
    activation: ActivationName = "tanh"
    divergence: DivergenceName = "exact"
    end_time: float = 1.0
    solver: str = "dopri5"
    rtol: float | None = None
    atol: float | None = None
    solver_steps: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if self.blocks < 1:
            raise InputError(f"blocks must be at least 1, got {self.blocks}")
        if self.divergence not in get_args(DivergenceName):
            raise InputError(
                f"unknown divergence {self.divergence!r}: {near(self.divergence, get_args(DivergenceName))}"
            )
        if self.solver_steps is not None and self.solver_steps < 1:
            raise InputError(f"solver_steps must be at least 1, got {self.solver_steps}")
        self._solver()
        ConcatSquashField(1, hidden=self.hidden, activation=self.activation)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> FlowOptions:
        """The options from what a run folder says.

        Raises:
            InputError: an unknown option.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InputError(f"unknown option {name!r} of a flow: {near(name, known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The options as JSON has them."""
        return asdict(self)

    def build(
        self,
        dimension: int,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Flow:
        """A flow with fresh weights, as torch draws them for linear layers.

        Args:
            dimension: of a point.
            mean: of the data, one number a coordinate.
            std: of the data, likewise.
            generator: draws the weights; by default torch's global one.

        Example:
            >>> FlowOptions(hidden=(8,), blocks=2).build(3).log_density(torch.zeros(4, 3)).shape
            torch.Size([4])
        """
        with torch.random.fork_rng(devices=[], enabled=generator is not None):
            if generator is not None:
                torch.manual_seed(generator.initial_seed())
            members = [
                ConcatSquashField(dimension, hidden=self.hidden, activation=self.activation) for _ in range(self.blocks)
            ]
        return Flow(
            members, dimension=dimension, solver=self._solver(), gradient=self.method(),
            divergence=self._divergence(), end_time=self.end_time, mean=mean, std=std,
        )  # fmt: skip

    def _solver(self) -> Solver:
        """The solver; an adaptive one has the thesis' tolerances where none are given."""
        given: dict[str, Any] = {"rtol": self.rtol, "atol": self.atol, "steps": self.solver_steps}
        if "rtol" in solver_options(self.solver):
            given = {**given, "rtol": self.rtol or TOLERANCE, "atol": self.atol or TOLERANCE}
        return solver_of(self.solver, given)

    def _divergence(self) -> Divergence:
        if self.divergence == "exact":
            return Exact()
        return Hutchinson(noise_kind=self.divergence)
