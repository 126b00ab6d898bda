"""Theorems 1 and 4: the smallest perturbation does not grow with the dimension, the distances do."""

from __future__ import annotations

import pytest

from corank.experiment.theory.random_matrices import random_points, same_factors, tail_rows


@pytest.mark.parametrize("generators", [0, 1, 2])
def test_distances_grow_and_perturbations_do_not(generators: int) -> None:
    small, large = (random_points(dimension, generators, seed=0, draws=100) for dimension in (10, 90))
    assert large.half_distance > 2 * small.half_distance  # the root of 9 is 3, and the smallest of few is smaller
    assert large.exchanging < 1.5 * small.exchanging
    assert large.smallest < 1.5 * small.smallest
    for found in (small, large):
        assert found.smallest <= found.exchanging


def test_one_seed_gives_one_result() -> None:
    assert random_points(8, 1, seed=3, draws=20) == random_points(8, 1, seed=3, draws=20)
    assert random_points(8, 1, seed=3, draws=20) != random_points(8, 1, seed=4, draws=20)


def test_frequencies_are_below_the_bound_of_lemma_2() -> None:
    rows = tail_rows((3, 12), seed=0, draws=5000)
    assert [row.dimension for row in rows] == [3, 3, 3, 12, 12, 12]
    assert all(row.frequency <= row.bound for row in rows)
    assert any(row.frequency > 0.1 for row in rows)


def test_lemma_3_is_not_in_doubt() -> None:
    found = same_factors(seed=1)
    assert (found.entries, found.sizes) == (10, (4, 6, 8))
    assert found.p_value > 0.01
