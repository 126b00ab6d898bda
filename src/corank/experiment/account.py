"""One row of what a part of a network costs, and how many times less that is than what stood in its place."""

from __future__ import annotations

from typing import Any

from corank.network import Cost
from corank.report import Column
from corank.report.format import compact, ratio, storage

ACCOUNT = (
    Column("part"),
    Column("parameters"),
    Column("storage", note="a MB is 2^20 bytes", show=storage),
    Column("smaller", note="how many times, than the part of the original network in its place", show=ratio),
    Column("multiply-adds", note="of one sample", show=compact),
    Column("fewer", note="how many times, in the same way", show=ratio),
)


def account(name: str, part: Cost, stands_for: Cost | None = None) -> tuple[Any, ...]:
    """The values of the columns `ACCOUNT`.

    Args:
        name: of the part.
        part: its cost.
        stands_for: the cost of the part of the original network in its place; None where there is none.
    """
    smaller = stands_for and quotient(stands_for.storage_bytes, part.storage_bytes)
    fewer = stands_for and quotient(stands_for.multiply_adds, part.multiply_adds)
    return name, part.parameters, part.storage_bytes, smaller, part.multiply_adds, fewer


def quotient(whole: float, part: float) -> float | None:
    """How many times a part is in a whole; None where the part is nothing."""
    return whole / part if part else None
