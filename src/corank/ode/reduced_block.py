"""A trained ODE block whose field is reduced: proper orthogonal decomposition, Galerkin projection, and DEIM.

Daulbaev's thesis, section 1.3; Chaturantabut and Sorensen 2010. States of a block stay near few directions: with their
mean m and leading singular vectors V, `z = m + V y`, and `dy/dt = V^T f(m + V y)` is a small system (POD-Galerkin),
whose right-hand side costs as much as before. Where the field is affine maps and elementwise functions in a row, each
function's output `h` is told from few of its entries: with the basis U of its snapshots and the rows P that the volume
chooses, `h = c + U (U_P)^+ h_P` (DEIM), so that all maps shrink to matrices between chosen entries, and the reduced
field is a small network. What a state has beside V stays as it was: `z(t1) = z(t0) + V (y(t1) - y(t0))`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from corank.errors import InputError
from corank.linalg import select_rows
from corank.ode.block import ODEBlock
from corank.ode.solution import Solution
from corank.ode.solved import solved
from corank.result import Result, Scalar

_AFFINE = (nn.Linear, nn.Conv1d, nn.Conv2d, _BatchNorm, nn.Identity)
_ELEMENTWISE = (nn.ReLU, nn.GELU, nn.Softplus, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.ELU, nn.LeakyReLU)
_REPEATS = 5


@runtime_checkable
class LayersInARow(Protocol):
    """A field `f(t, z)` that is modules in a row, in which time does not enter."""

    def layers(self) -> Sequence[nn.Module]:
        """The modules, in the order in which a state goes through them."""


@final
@dataclass(frozen=True, kw_only=True)
class Reduction(Result):
    """What a reduced block is worth, on inputs that it was not made from.

    Attributes:
        rank: directions of the states.
        entries: that are chosen of each elementwise function's output.
        width: entries of a state.
        relative_error: of the block's outputs, in the root mean square, over the change that the block makes.
        galerkin_error: the same with the whole field, projected: what is due to the directions alone.
        constants: of the chosen entries, by which errors beside their basis grow at most.
        multiply_adds: of one evaluation of the field.
        multiply_adds_reduced: of one of the reduced field.
        seconds: of the block on all inputs; median of several runs.
        seconds_reduced: of the reduced block.
    """

    rank: int
    entries: tuple[int, ...]
    width: int
    relative_error: float
    galerkin_error: float
    constants: tuple[float, ...]
    multiply_adds: int
    multiply_adds_reduced: int
    seconds: float
    seconds_reduced: float

    def row(self) -> dict[str, Scalar]:
        """Size, error and cost."""
        return {
            "rank": self.rank,
            "width": self.width,
            "relative error": self.relative_error,
            "Galerkin alone": self.galerkin_error,
            "fewer multiply-adds": self.multiply_adds / self.multiply_adds_reduced,
            "faster": self.seconds / self.seconds_reduced,
        }


class ReducedField(nn.Module):
    """Small matrices with the field's elementwise functions between them, on coordinates `(B, rank)`."""

    def __init__(self, maps: Sequence[tuple[Tensor, Tensor]], functions: Sequence[nn.Module]) -> None:
        super().__init__()
        self.maps = nn.ModuleList(_linear(weight, bias) for weight, bias in maps)
        self.functions = nn.ModuleList(functions)

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        """The derivative of the coordinates."""
        *inner, last = self.maps
        for step, function in zip(inner, self.functions, strict=True):
            y = function(step(y))
        output: Tensor = last(y)
        return output


class GalerkinField(nn.Module):
    """`V^T f(t, m + V y)`: the field between the directions, as expensive as before."""

    def __init__(self, field: nn.Module, basis: Tensor, mean: Tensor, shape: torch.Size) -> None:
        super().__init__()
        self.field, self.shape = field, shape
        self.register_buffer("basis", basis)
        self.register_buffer("mean", mean)

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        """The derivative of the coordinates."""
        state = (self.mean + y @ self.basis.T).view(-1, *self.shape)  # type: ignore[operator]
        output: Tensor = self.field(t, state).flatten(1) @ self.basis
        return output


class ReducedBlock(nn.Module):
    """An ODE block on the coordinates of few directions, with the solver of the original.

    Args:
        block: the original, for solver, gradient and times.
        field: of the coordinates.
        basis: V, `(width, rank)`, orthonormal.
        mean: m, `(width,)`.
    """

    basis: Tensor
    mean: Tensor

    def __init__(self, block: ODEBlock, field: nn.Module, basis: Tensor, mean: Tensor) -> None:
        super().__init__()
        self.inner = ODEBlock(field, solver=block.regime, gradient=block.gradient, times=block.times)
        self.register_buffer("basis", basis)
        self.register_buffer("mean", mean)

    def forward(self, x: Tensor) -> Tensor:
        """States at the last time, of the shape of the input."""
        start = (x.flatten(1) - self.mean) @ self.basis
        change: Tensor = self.inner(start) - start
        return x + (change @ self.basis.T).view_as(x)


@torch.no_grad()
def reduce_block(
    block: ODEBlock,
    inputs: Tensor,
    *,
    rank: int,
    function_rank: int | None = None,
    oversampling: float = 1.5,
    times: int = 5,
    heldout: Tensor,
) -> tuple[ReducedBlock, Reduction]:
    """Reduce the field of a trained block.

    Args:
        block: in evaluation mode; its field has `layers()`, affine maps and elementwise functions in a row.
        inputs: of the block `(N, ...)`, from whose ways the directions are found.
        rank: directions of the states.
        function_rank: directions of each elementwise function's output; by default as many as of the states.
        oversampling: how many entries are chosen of each output, times its directions.
        times: equal moments of each way whose states are looked at, both ends included.
        heldout: other inputs, on which errors are measured.

    Returns:
        The reduced block, and what it is worth.

    Raises:
        InputError: a field that is not of this kind, or numbers out of range.
    """
    stages = _stages(block.field)
    shape, width = inputs.shape[1:], inputs[0].numel()
    wanted = rank if function_rank is None else function_rank
    _check((rank, wanted), min(times * len(inputs), width), oversampling, times)
    states = _ways(block, inputs, times)
    mean, basis = _directions(states.flatten(1), rank)
    maps, entries, constants = _reduced(stages, states, mean, basis, wanted, oversampling)
    functions = [copy.deepcopy(function) for _, function in stages if function is not None]
    dtype = inputs.dtype
    field = ReducedField([(weight.to(dtype), bias.to(dtype)) for weight, bias in maps], functions).to(inputs.device)
    own_basis, own_mean = basis.to(inputs), mean.to(inputs)
    small = ReducedBlock(block, field, own_basis, own_mean).eval()
    projected = ReducedBlock(block, GalerkinField(block.field, own_basis, own_mean, shape), own_basis, own_mean).eval()
    expected = block(heldout)
    return small, Reduction(
        rank=rank,
        entries=entries,
        width=width,
        relative_error=_error(small(heldout), expected, heldout),
        galerkin_error=_error(projected(heldout), expected, heldout),
        constants=constants,
        multiply_adds=_multiply_adds(stages, states[:1]),
        multiply_adds_reduced=sum(weight.numel() for weight, _ in maps),
        seconds=_seconds(block, heldout),
        seconds_reduced=_seconds(small, heldout),
    )


Stage = tuple[nn.Sequential, nn.Module | None]
"""Affine maps, and the elementwise function that follows; the last stage may have none."""


def _stages(field: nn.Module) -> list[Stage]:
    if not isinstance(field, LayersInARow):
        raise InputError(f"the field needs layers(), modules in a row, which {type(field).__name__} has not")
    stages: list[Stage] = []
    affine = nn.Sequential()
    for module in field.layers():
        if isinstance(module, _ELEMENTWISE):
            stages.append((affine, module))
            affine = nn.Sequential()
        elif isinstance(module, _AFFINE) and not (isinstance(module, _BatchNorm) and module.training):
            affine.append(module)
        else:
            raise InputError(
                f"the field must be affine maps and elementwise functions in evaluation mode, {type(module).__name__} "
                "is neither: train it with field_norm weight, spectral, batch or none"
            )
    return [*stages, (affine, None)] if len(affine) else stages


def _check(ranks: Sequence[int], most: int, oversampling: float, times: int) -> None:
    if times < 2:
        raise InputError(f"times must be at least 2, got {times}")
    for rank in ranks:
        if not 1 <= rank <= most:
            raise InputError(f"rank must be between 1 and {most}, got {rank}")
    if not oversampling >= 1:
        raise InputError(f"oversampling must be at least 1, got {oversampling}")


def _ways(block: ODEBlock, inputs: Tensor, times: int) -> Tensor:
    """States on the ways of all inputs, `(times * N, ...)`."""
    start, end = block.times
    moments = [start + (end - start) * place / (times - 1) for place in range(times)]
    (_, solver), *_ = block.regime.settled
    solution: Solution = solved(block.field, inputs, moments, solver, "backprop")
    assert isinstance(solution.values, Tensor)
    return solution.values.flatten(0, 1)


def _directions(rows: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Mean and leading directions `(width, rank)` of rows, in float64."""
    exact = rows.double()
    mean = exact.mean(0)
    return mean, torch.linalg.svd(exact - mean, full_matrices=False).Vh[:rank].T.contiguous()


def _reduced(
    stages: Sequence[Stage], states: Tensor, mean: Tensor, basis: Tensor, rank: int, oversampling: float
) -> tuple[list[tuple[Tensor, Tensor]], tuple[int, ...], tuple[float, ...]]:
    """The small maps, how many entries were chosen of each function's output, and the constants of the choice.

    What goes into a stage is `offset + columns s`, s being coordinates first and then chosen entries.
    """
    maps, entries, constants = [], [], []
    offset, columns, features, shape = mean, basis, states.double(), states.shape[1:]
    for affine, function in stages:
        exact = copy.deepcopy(affine).double()
        moved = exact(offset.view(1, *shape)).flatten()
        images = exact((offset + columns.T).view(-1, *shape)).flatten(1).T - moved[:, None]
        features = exact(features)
        shape = features.shape[1:]
        if function is None:
            offset, columns = moved, images
            continue
        features = function(features)
        own_mean, own = _directions(features.flatten(1), rank)
        chosen = select_rows(own, min(round(oversampling * rank), len(own)))
        maps.append((images[chosen.rows], moved[chosen.rows]))
        entries.append(len(chosen.rows))
        constants.append(chosen.constant)
        columns = own @ torch.linalg.pinv(own[chosen.rows])
        offset = own_mean - columns @ own_mean[chosen.rows]
    maps.append((basis.T @ columns, basis.T @ offset))
    return maps, tuple(entries), tuple(constants)


def _error(found: Tensor, expected: Tensor, start: Tensor) -> float:
    return float((found - expected).double().norm() / (expected - start).double().norm())


def _multiply_adds(stages: Sequence[Stage], state: Tensor) -> int:
    """Of one state, in convolutions and linear layers."""
    total = 0
    for affine, function in stages:
        for module in affine:
            state = module(state)
            if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
                total += state[0].numel() * module.weight[0].numel()
        state = state if function is None else function(state)
    return total


def _seconds(block: nn.Module, inputs: Tensor) -> float:
    block(inputs)
    marks = [time.perf_counter()]
    for _ in range(_REPEATS):
        block(inputs)
        marks.append(time.perf_counter())
    return sorted(after - before for before, after in pairwise(marks))[_REPEATS // 2]


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    return layer
