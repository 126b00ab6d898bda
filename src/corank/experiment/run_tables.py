"""The accounts of a compressed network as tables, in the rows and columns of the papers.

Cui et al. 2020, "Active Subspace of Neural Networks", Tables 2 to 5: the pre-model, the new end and the whole, each
with how many times smaller it is than the part of the original network that it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from corank.compress import ASNetwork
from corank.compress.lemmas import LossBounds
from corank.compress.sparsity import Sparsified
from corank.network import Cost
from corank.report import Column, Missing, Table
from corank.report.format import compact, milliseconds, percent, ratio, storage

if TYPE_CHECKING:
    from corank.experiment.compressing import Accuracies, Evaluated

UNTIMED = Missing("only whole networks are timed")
NOT_HELD_OUT = Missing("no samples were held out")

ACCOUNT = (
    Column("part"),
    Column("parameters"),
    Column("storage", note="a MB is 2^20 bytes", show=storage),
    Column("smaller", note="how many times, than the part of the original network in its place", show=ratio),
    Column("multiply-adds", note="of one sample", show=compact),
    Column("fewer", note="how many times, in the same way", show=ratio),
)


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


def parts_table(found: Evaluated) -> Table:
    """Parameters, storage, multiply-adds and latency of the parts, of the whole and of the original network."""
    small, original = found.compressed, found.compressed.original
    unknown = [UNTIMED] * len(found.latency)
    rows: list[tuple[Any, ...]] = []
    if isinstance(small, ASNetwork):
        rows.append((*_account("pre-model", small.pre), *unknown))
        rows.append((*_account("new end", small.head, _replaced(small)), *unknown))
    rows.append((*_account("overall", small.overall, original), *(row.median_ms for row in found.latency)))
    if isinstance(small, ASNetwork):
        rows.append((*_account("replaced end", _replaced(small)), *unknown))
    rows.append((*_account("original", original), *(row.median_ms for row in found.latency_original)))
    times = [
        Column(f"batch {row.batch}", note="median time of a forward pass", show=milliseconds) for row in found.latency
    ]
    return Table((*ACCOUNT, *times), tuple(rows), "What the network costs, in parts.")


def nonzeros_table(small: ASNetwork, sparse: Sparsified) -> Table:
    """The same of what sparse training left, without latency, which does not know of zeros."""
    rows = (
        _account("pre-model", sparse.pre, small.pre),
        _account("new end", sparse.head, _replaced(small)),
        _account("overall", sparse.overall, small.original),
    )
    return Table(ACCOUNT, rows, "What the nonzeros cost, in parts.")


def _account(name: str, part: Cost, stands_for: Cost | None = None) -> tuple[Any, ...]:
    smaller = stands_for and _ratio(stands_for.storage_bytes, part.storage_bytes)
    fewer = stands_for and _ratio(stands_for.multiply_adds, part.multiply_adds)
    return name, part.parameters, part.storage_bytes, smaller, part.multiply_adds, fewer


def _replaced(small: ASNetwork) -> Cost:
    """The part of the original network that the new end stands for."""
    return Cost(
        parameters=small.original.parameters - small.pre.parameters,
        storage_bytes=small.original.storage_bytes - small.pre.storage_bytes,
        multiply_adds=small.original.multiply_adds - small.pre.multiply_adds,
    )


def _ratio(whole: float, part: float) -> float | None:
    return whole / part if part else None


def fit_table(small: ASNetwork) -> Table:
    """How far the new end as it was fitted is from the network's own logits, on samples of the fit and on others."""
    columns = (
        Column("samples"),
        Column("number"),
        Column("residual", note="mean squared distance to the logits of the original network"),
        Column("missed", note="the residual as a share of the logits' variance", show=percent),
    )
    held = None if small.bounds is None else small.bounds.samples
    rows = [("of the fit", small.samples_fit, small.residual), ("held out", held, small.residual_heldout)]
    filled = tuple(
        (name, count, residual, _ratio(residual, small.variance))
        if math.isfinite(residual)
        else (name, *[NOT_HELD_OUT] * 3)
        for name, count, residual in rows
    )
    return Table(columns, filled, "The new end as it was fitted.")


def bounds_table(bounds: LossBounds) -> Table:
    """Both sides of both lemmas."""
    columns = (
        Column("lemma"),
        Column("what is bounded", note="means of squared cross entropies, in nats squared"),
        Column("measured"),
        Column("at most"),
    )
    polynomial = "squared loss of the new end as it was fitted"
    rows = (
        ("3.1", "squared loss that the directions explain", bounds.variables_loss_squared, bounds.variables_bound),
        ("3.2", polynomial, bounds.polynomial_loss_squared, bounds.polynomial_bound),
        ("3.2 as printed", polynomial, bounds.polynomial_loss_squared, bounds.polynomial_bound_of_paper),
    )
    return Table(columns, rows, "Both sides of the paper's lemmas.")


def sparsity_table(sparse: Sparsified) -> Table:
    """A row a weight matrix: what sparse training left of it."""
    columns = (
        Column("weight matrix"),
        Column("rows"),
        Column("columns"),
        Column("nonzeros", show=percent),
        Column("rows left", note="that are not all zeros"),
        Column("columns left", note="that are not all zeros"),
        Column("rank", note="numerical, of the matrix as it is"),
    )
    rows = tuple(
        (
            weight.name, weight.rows, weight.columns, weight.nonzeros / (weight.rows * weight.columns),
            weight.rows_left, weight.columns_left, weight.rank,
        )
        for weight in sparse.weights
    )  # fmt: skip
    return Table(columns, rows, "What is left of every weight matrix.")
