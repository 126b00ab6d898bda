"""What every accumulator of this room asks of a batch of rows, and its energy in float64.

The energy (the sum of squares) is formed in pieces that stay in cache, so that neither a copy of the batch
nor a mask of its size is made; the same pass finds what is not a number, for then the sum is none either.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from corank.errors import InputError

_PIECE_ON_CPU = 1 << 17  # numbers; their float64 copy (1 MiB) stays in the second-level cache
_PIECE_ELSEWHERE = 1 << 24  # few launches matter more on an accelerator


def check_rows(rows: Tensor, width: int, name: str = "rows") -> Tensor:
    """The rows without their gradient history, after a look at dtype and shape.

    Args:
        rows: any floating-point tensor that should have the shape (B, width); B may be 0.
        width: the number of columns expected.
        name: what the message calls them.

    Raises:
        InputError: not floating point, not two-dimensional, or of another width.

    Example:
        >>> check_rows(torch.ones(2, 3), 4)
        Traceback (most recent call last):
        corank.errors.InputError: rows must have shape (batch, 4), got (2, 3): flatten each sample first
    """
    if not rows.is_floating_point():
        raise InputError(f"{name} must be real floating-point numbers, got {rows.dtype}: convert them first")
    if rows.ndim != 2 or rows.shape[1] != width:
        raise InputError(f"{name} must have shape (batch, {width}), got {tuple(rows.shape)}: flatten each sample first")
    return rows.detach()


def energy_of(rows: Tensor, name: str = "rows") -> float:
    """The sum of squares of a matrix, formed and summed in float64.

    Raises:
        InputError: a number that is not finite (the message names its row), or a sum beyond float64.

    Example:
        >>> energy_of(torch.tensor([[2.0**100, 0.0], [0.0, 2.0**100]])) == 2.0**201
        True
        >>> energy_of(torch.tensor([[0.0], [float("nan")]]))
        Traceback (most recent call last):
        corank.errors.InputError: rows must be finite, got nan in row 1 of this batch: drop or repair it
    """
    piece = _PIECE_ON_CPU if rows.device.type == "cpu" else _PIECE_ELSEWHERE
    total = torch.zeros((), dtype=torch.float64, device=rows.device)
    for block in torch.split(rows, max(1, piece // max(1, rows.shape[1]))):
        numbers = block.to(torch.float64).reshape(-1)
        total += torch.dot(numbers, numbers)
    energy = float(total)
    if not math.isfinite(energy):
        raise InputError(_why_not_finite(rows, name))
    return energy


def _why_not_finite(rows: Tensor, name: str) -> str:
    for number, row in enumerate(rows):
        wrong = row[~torch.isfinite(row)]
        if len(wrong):
            value = wrong[0].item()
            return f"{name} must be finite, got {value} in row {number} of this batch: drop or repair it"
    largest = float(rows.abs().max())
    return f"{name} must have squares that float64 can sum, got an entry of {largest:.3g}: scale them down"
