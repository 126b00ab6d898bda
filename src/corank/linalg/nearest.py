"""The nearest row of another class, for many rows at once: exact, by matrix products, in one pass over the data.

Distances are ranked by `q . r - |r|^2 / 2`, which one matrix product gives for a whole block; what rounding leaves
undecided is decided by the distances themselves in float64. The rounding of a product is taken by the bound that holds
with high probability (Higham and Mary 2019, A New Approach to Probabilistic Rounding Error Analysis). Only the nearest
rows found so far are kept, so that the data may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from corank.errors import InputError

BLOCK_ROWS, BLOCK_QUERIES = 1024, 512  # a block of scores stays in the cache
EXACT_PAIRS = 4096  # whose distances are computed at once
SAFETY = 16  # times the square root of the length, in units of the last place


@dataclass(frozen=True)
class Nearest:
    """What was found for each query.

    Attributes:
        distances: `(Q,)`, Euclidean, float64.
        indices: `(Q,)` places in the data, counted over all blocks; of equally near rows the first.
        labels: `(Q,)` classes of the rows found.
        rows: `(Q, n)` the rows themselves.
    """

    distances: Tensor
    indices: Tensor
    labels: Tensor
    rows: Tensor


def nearest_of_another_class(
    queries: Tensor, labels: Tensor, blocks: Iterable[tuple[Tensor, Tensor]], *, target: int | None = None
) -> Nearest:
    """The nearest row of another class for each query.

    Args:
        queries: `(Q, n)`, float32 or float64.
        labels: `(Q,)` whole numbers, the classes of the queries.
        blocks: rows `(b, n)` with their classes `(b,)`, as they come; gone through once. A query may be among them.
        target: the class to search in; by default all but the query's own.

    Raises:
        InputError: rows of another length, numbers that are not finite, or no row of another class for a query.

    Example:
        >>> rows, classes = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 0, 1])
        >>> found = nearest_of_another_class(rows, classes, [(rows, classes)])
        >>> found.indices.tolist(), found.distances.tolist()
        ([2, 2, 1], [5.0, 4.0, 4.0])
    """
    _check(queries, labels, "queries")
    classes, kind = torch.unique(labels, return_inverse=True)
    best = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=queries.device)
    found = Nearest(best, torch.full_like(labels, -1), torch.full_like(labels, -1), torch.empty_like(queries))
    squares = queries.square().sum(1)
    start = 0
    for rows, row_labels in _regrouped(blocks, queries):
        half = rows.square().sum(1) / 2
        if not bool(half.isfinite().all()):
            row = start + int((~half.isfinite()).nonzero()[0])
            raise InputError(f"row {row} of the data is not finite: drop or repair it")
        is_out = row_labels == classes[:, None] if target is None else (row_labels != target).expand(len(classes), -1)
        bias = (-half).masked_fill(is_out, -torch.inf)
        slack = SAFETY * queries.shape[1] ** 0.5 * torch.finfo(queries.dtype).eps * (squares + 2 * half.max())
        for some in torch.split(torch.arange(len(queries), device=queries.device), BLOCK_QUERIES):
            scores = bias[kind[some]].addmm_(queries[some], rows.T)
            most = scores.amax(1)
            may_be_nearer = (squares[some] - 2 * most <= best[some] + slack[some]) & (most > -torch.inf)
            few = may_be_nearer.nonzero()[:, 0]
            which, row = (scores[few] >= (most - slack[some])[few, None]).nonzero().unbind(1)
            _decide(found, queries, some[few[which]], rows, row_labels, row, start)
        start += len(rows)
    if not bool(best.isfinite().all()):
        query = int((~best.isfinite()).nonzero()[0])
        of = "of another class than" if target is None else f"of class {target} for an input of class"
        raise InputError(
            f"the data hold no example {of} {int(labels[query])} among {start} rows: give data of at least two classes"
        )
    return Nearest(best.sqrt(), found.indices, found.labels, found.rows)


def _decide(
    found: Nearest, queries: Tensor, query: Tensor, rows: Tensor, row_labels: Tensor, row: Tensor, start: int
) -> None:
    """Take the rows that are nearer than what was found so far; `found` holds squared distances here."""
    for some, others in zip(torch.split(query, EXACT_PAIRS), torch.split(row, EXACT_PAIRS), strict=True):
        exact = (queries[some].double() - rows[others].double()).square().sum(1)
        order = exact.argsort(stable=True)  # rows come in their order, so that of equals the first wins
        order = order[some[order].argsort(stable=True)]
        some, others, exact = some[order], others[order], exact[order]
        is_first = torch.cat([torch.ones_like(some[:1], dtype=torch.bool), some[1:] != some[:-1]])
        is_first &= exact < found.distances[some]
        where, taken = some[is_first], others[is_first]
        found.distances[where] = exact[is_first]
        found.indices[where] = taken + start
        found.labels[where] = row_labels[taken]
        found.rows[where] = rows[taken]


def _regrouped(blocks: Iterable[tuple[Tensor, Tensor]], queries: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The same rows in blocks of a size at which matrix products are fast, of the type and place of the queries."""
    waiting: list[tuple[Tensor, Tensor]] = []
    for rows, labels in blocks:
        _check(rows, labels, "rows")
        if rows.shape[1] != queries.shape[1]:
            raise InputError(f"rows must have {queries.shape[1]} numbers, as the queries, got {rows.shape[1]}")
        waiting.append((rows.to(queries), labels.to(queries.device)))
        if sum(len(labels) for _, labels in waiting) >= BLOCK_ROWS:
            yield from _cut(waiting)
            waiting.clear()
    if waiting:
        yield from _cut(waiting)


def _cut(parts: list[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    rows, labels = (torch.cat(tensors) if len(tensors) > 1 else tensors[0] for tensors in zip(*parts, strict=True))
    yield from zip(torch.split(rows, BLOCK_ROWS), torch.split(labels, BLOCK_ROWS), strict=True)


def _check(rows: Tensor, labels: Tensor, name: str) -> None:
    if rows.ndim != 2 or labels.shape != rows.shape[:1]:
        came = f"{tuple(rows.shape)} and {tuple(labels.shape)}"
        raise InputError(f"{name} must be (N, n) with N classes, got shapes {came}")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(f"the classes of {name} must be whole numbers, got {labels.dtype}")
    if name == "queries" and not (rows.is_floating_point() and bool(rows.isfinite().all())):
        raise InputError(f"queries must be finite and floating point, got {rows.dtype}: drop or repair what is not")
