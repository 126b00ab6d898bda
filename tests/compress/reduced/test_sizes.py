"""Ranks, widths and their allocation."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corank.compress.reduced.allocation import allocations
from corank.compress.reduced.bases import Basis
from corank.compress.reduced.ranks import RankRule
from corank.compress.reduced.sizes import Shape
from corank.errors import InputError

from .examples import built, example, measured


def basis(singular_values: list[float], features: int = 12, energy: float | None = None) -> Basis:
    values = torch.tensor(singular_values, dtype=torch.float64)
    known = float(values.square().sum())
    return Basis(singular_values=values, vectors=torch.eye(features)[: len(values)], energy=energy or known, samples=50)


SHAPE = Shape(
    features=(12, 10),
    windows=(1, 4),
    sources=((-1,), (-1, 0)),
    start=20,
    projected=None,
    outputs=3,
    output_sources=(1,),
)


@pytest.mark.parametrize(
    ("options", "rank"),
    [
        ({"rank": 2}, 2), ({"rank": 99}, 12), ({"factor": 3}, 4), ({"factor": 5}, 3), ({"factor": 1}, 12),
        ({"factor": 100}, 1), ({"factor": 1 / 0.75}, 9), ({"energy": 0.5}, 1), ({"energy": 0.9}, 2),
        ({"energy": 1.0}, 4), ({}, 3), ({"vbmf": True}, 4),
    ],
)  # fmt: skip
def test_a_rank_is_what_its_rule_says(options: dict[str, Any], rank: int) -> None:
    assert RankRule(**options)(basis([3.0, 1.0, 0.5, 0.1])) == rank


def test_where_the_known_directions_hold_too_little_all_are_kept() -> None:
    assert RankRule(energy=0.9)(basis([1.0, 1.0], energy=4.0)) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"energy": 0.0}, "energy must be above 0 and at most 1, got 0.0"),
        ({"energy": 1.1}, "energy .* got 1.1"),
        ({"energy": math.nan}, "energy .* got nan"),
        ({"factor": 0.5}, "factor must be at least 1 and finite, got 0.5"),
        ({"factor": math.inf}, "factor .* got inf"),
        ({"rank": 3, "vbmf": True}, "ranks are chosen in one way, got rank and vbmf"),
        ({"energy": 0.5, "factor": 2.0}, "got energy and factor"),
    ],
)
def test_a_wrong_rule_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        RankRule(**options)


@given(st.integers(1, 15), st.floats(1, 2), st.integers(1, 6))
def test_rows_are_so_many_a_direction_and_multiples_as_far_as_there_are_features(
    rank: int, rows: float, multiple: int
) -> None:
    for size, features, window in zip(
        SHAPE.sized([rank, rank], rows=rows, multiple=multiple), SHAPE.features, SHAPE.windows, strict=True
    ):
        assert size.rank == min(rank, features)
        assert size.rank <= size.rows <= features
        assert size.rows == features or (size.rows % multiple == 0 and rank * rows - 1e-9 <= size.rows)
        assert size.rows < rank * rows + multiple or size.rows == size.rank
        assert size.width == window * size.rows


def test_rounding_adds_no_row() -> None:
    wide = Shape(
        features=(99,), windows=(1,), sources=((-1,),), start=9, projected=None, outputs=3, output_sources=(0,)
    )
    assert [wide.sized([rank], rows=1.1, multiple=1)[0].rows for rank in (10, 50, 70)] == [11, 55, 77]


@pytest.mark.parametrize(("rows", "multiple"), [(1.0, 1), (1.5, 1), (1.5, 4), (2.0, 8)])
@pytest.mark.parametrize("name", ["vgg", "residual", "mlp", "preactivation"])
def test_ranks_grow_from_step_to_step(name: str, rows: float, multiple: int) -> None:
    tail, bases = measured(example(name))
    reduction, _ = built(tail, bases)
    way = allocations(reduction.shape, bases.layers, rows=rows, multiple=multiple, element_size=8)
    assert way[-1].missed == pytest.approx(0, abs=1e-9)
    for step in way:
        assert step.cost == reduction.shape.cost(step.sizes, 8)
        for size, stage in zip(step.sizes, tail.stages, strict=True):
            assert size.rows % multiple == 0 or size.rows == stage.features
        shares = [
            float(each.singular_values[: size.rank].square().sum()) / each.energy
            for each, size in zip(bases.layers, step.sizes, strict=True)
        ]
        assert step.missed == pytest.approx(sum(1 - share for share in shares), abs=1e-9)
    for step, wider in pairwise(way):
        pairs = list(zip(step.sizes, wider.sizes, strict=True))
        assert all(one.rank <= other.rank and one.rows <= other.rows for one, other in pairs)
        assert sum(one.rank < other.rank for one, other in pairs) == 1
        assert step.cost.multiply_adds <= wider.cost.multiply_adds
        assert step.cost.parameters <= wider.cost.parameters
        assert step.missed >= wider.missed - 1e-12


def test_what_gains_most_for_its_cost_is_widened_first() -> None:
    """Of two layers of one cost that whose next directions hold more."""
    shape = Shape(
        features=(12, 12), windows=(1, 1), sources=((-1,), (-1,)), start=20, projected=None, outputs=3,
        output_sources=(0, 1),
    )  # fmt: skip
    steep, flat = basis([3.0] + [0.1] * 11), basis([1.0] * 12)
    way = allocations(shape, [steep, flat], rows=1.0, multiple=1)
    assert [step.sizes[1].rank for step in way[:12]] == list(range(1, 13))
    assert all(step.sizes[0].rank == 1 for step in way[:12])
