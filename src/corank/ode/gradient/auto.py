"""The method chosen for the field: interpolation and quadrature where it is smooth, step checkpointing where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from corank.ode.buffered import Accepted
from corank.ode.chebyshev import coefficient_matrix
from corank.ode.gradient.adjoint_solve import AdjointError, Stored, solved_and_stored
from corank.ode.gradient.base import Adjoint, Problem
from corank.ode.gradient.checkpoint import Checkpoint, replayed
from corank.ode.gradient.quadrature import LARGEST, Quadrature
from corank.ode.interpolation import Chebyshev
from corank.ode.solvers.base import AdaptiveSolver
from corank.ode.stepping import Progress


@final
@dataclass(frozen=True, kw_only=True)
class Auto(Adjoint):
    """`Quadrature` or `Checkpoint`."""

    def forward(self, problem: Problem) -> tuple[Tensor, Progress, Any]:
        values, progress, stored = solved_and_stored(problem, Chebyshev(nodes=LARGEST), keep=True)
        return values, progress, (stored.steps, Quadrature().thinned(problem, stored))

    def backward(self, problem: Problem, memory: Any, values: Tensor, gradients: Tensor) -> tuple[Tensor, list[Tensor]]:
        return Quadrature().swept(problem, memory[1], gradients)
