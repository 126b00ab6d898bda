"""The accounts of a compressed network as tables, in the rows and columns of the papers.

Cui et al. 2020, "Active Subspace of Neural Networks", Tables 2 to 5: the parts and the whole, each with how many times
smaller it is than the part of the original network that it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.account import ACCOUNT, account
from corank.experiment.evaluated import Accuracies, Evaluated
from corank.experiment.particulars import Part, Particulars
from corank.network import Change
from corank.report import Column, Missing, Table
from corank.report.format import milliseconds, percent

UNTIMED = Missing("only whole networks are timed")
NEW = Missing("the layer is new")
GONE = Missing("the layer was removed")


def accuracy_table(states: Mapping[str, Accuracies]) -> Table:
    """A row a state of a network.

    Args:
        states: the accuracies by the state's name.
    """
    columns = (
        Column("network"),
        Column("test accuracy", note="the test split is read for this number only", show=percent),
        Column("validation accuracy", note="of the split on which choices are made", show=percent),
    )
    return Table(columns, tuple((name, found.test, found.validation) for name, found in states.items()))


def parts_table(found: Evaluated, told: Particulars) -> Table:
    """Parameters, storage, multiply-adds and latency of the parts, of the whole and of the original network."""
    small, original = found.compressed, found.compressed.original

    def rows(parts: Sequence[Part]) -> list[tuple[Any, ...]]:
        untimed = [UNTIMED] * len(found.latency)
        return [(*account(part.name, part.cost, part.stands_for), *untimed) for part in parts]

    times = [
        Column(f"batch {row.batch}", note="median time of a forward pass", show=milliseconds) for row in found.latency
    ]
    return Table(
        (*ACCOUNT, *times),
        (
            *rows(told.parts),
            (*account("overall", small.overall, original), *(row.median_ms for row in found.latency)),
            *rows(told.replaced),
            (*account("original", original), *(row.median_ms for row in found.latency_original)),
        ),
        "What the network costs, in parts.",
    )


def changes_table(changes: Sequence[Change]) -> Table:
    """A row a layer with weights: its shape before and after, and what became of it."""
    columns = (
        Column("layer"),
        Column("kind"),
        Column("was", note="the shape of its weight in the original network"),
        Column("is", note="the same in this one"),
        Column("what became of it"),
    )
    rows = []
    for change in changes:
        row = change.row()
        was, now = (NEW if change.was is None else row["was"]), (GONE if change.now is None else row["now"])
        rows.append((change.layer, change.kind, was, now, change.what))
    return Table(columns, tuple(rows), "Every layer with weights.")
