"""What is known of an ASNet alone, as tables: its fit, the lemmas' bounds, and what sparse training left.

Cui et al. 2020, "Active Subspace of Neural Networks", Lemmas 3.1 and 3.2 and Tables 2 to 5.
"""

from __future__ import annotations

import math

from corank.compress import ASNetwork
from corank.compress.lemmas import LossBounds
from corank.compress.sparsity import Sparsified
from corank.experiment.account import ACCOUNT, account, quotient
from corank.report import Column, Missing, Table
from corank.report.format import percent

NOT_HELD_OUT = Missing("no samples were held out")


def nonzeros_table(small: ASNetwork, sparse: Sparsified) -> Table:
    """The same of what sparse training left, without latency, which does not know of zeros."""
    rows = (
        account("pre-model", sparse.pre, small.pre),
        account("new end", sparse.head, small.replaced),
        account("overall", sparse.overall, small.original),
    )
    return Table(ACCOUNT, rows, "What the nonzeros cost, in parts.")


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
        (name, count, residual, quotient(residual, small.variance))
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
