"""What the ODE blocks of a network cost, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import nn

from corank.network.wrapper import unwrapped
from corank.ode.block import blocks_of
from corank.ode.smoothness import describe
from corank.report import Column, Section, Table


@final
@dataclass(frozen=True, kw_only=True)
class BlockRow:
    """The last pass through one block; of an ensemble of solvers, of all of them together.

    Attributes:
        block: its name.
        solver: in evaluation.
        gradient: the method that gave the gradient; of `auto`, its choice.
        steps: accepted.
        rejections: rejected steps.
        evaluations_forward: of the field.
        evaluations_backward: of the field in the backward pass.
    """

    block: str
    solver: str
    gradient: str
    steps: int
    rejections: int
    evaluations_forward: int
    evaluations_backward: int


def block_rows(network: nn.Module) -> tuple[BlockRow, ...]:
    """A row an ODE block that has been passed through."""
    return tuple(
        BlockRow(
            block=name,
            solver=describe(block.regime),
            gradient=block.statistics[0].gradient,
            steps=sum(one.steps for one in block.statistics),
            rejections=sum(one.rejections for one in block.statistics),
            evaluations_forward=sum(one.evaluations_forward for one in block.statistics),
            evaluations_backward=sum(one.evaluations_backward for one in block.statistics),
        )
        for name, block in blocks_of(unwrapped(network)).items()
        if block.statistics
    )


def block_sections(rows: Sequence[BlockRow]) -> tuple[Section, ...]:
    """The part of a page that is about ODE blocks; none for networks without."""
    if not rows:
        return ()
    columns = (
        Column("block"),
        Column("solver"),
        Column("gradient", note="the method that gave it"),
        Column("steps"),
        Column("rejected", note="steps that were too large"),
        Column("evaluations", note="of the field, forward"),
        Column("backward", note="evaluations of the field in the backward pass"),
    )
    table = Table(
        columns,
        tuple(
            (row.block, row.solver, row.gradient, row.steps, row.rejections, row.evaluations_forward,
             row.evaluations_backward)
            for row in rows
        ),
        "The last step of the training.",
    )  # fmt: skip
    return (Section("The ODE blocks", text=("What one batch cost in each block.",), tables=(table,)),)
