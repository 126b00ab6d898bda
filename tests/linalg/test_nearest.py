from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from corank.errors import InputError
from corank.linalg import nearest_of_another_class
from corank.linalg.nearest import BLOCK_ROWS


def rows_of(
    count: int, features: int, classes: int, seed: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(count, features, generator=chance, dtype=dtype)
    return x, torch.cat([torch.arange(classes), torch.randint(classes, (count - classes,), generator=chance)])


def parts(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(x.split(size), y.split(size), strict=True)


@given(classes=st.integers(2, 12), size=st.integers(1, 400), features=st.integers(1, 40), seed=st.integers(0, 99))
def test_it_agrees_with_scikit_learn(classes: int, size: int, features: int, seed: int) -> None:
    x, y = rows_of(300, features, classes, seed)
    queries, labels = rows_of(40, features, classes, seed + 1)
    found = nearest_of_another_class(queries, labels, parts(x, y, size))
    for label in range(classes):
        others, own = (y != label).nonzero()[:, 0], labels == label
        search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(x[others].double().numpy())
        distances, places = search.kneighbors(queries[own].double().numpy())
        assert found.distances[own].numpy() == pytest.approx(distances[:, 0], rel=1e-9, abs=1e-12)
        assert (found.indices[own] == others[places[:, 0]]).all()
    assert torch.equal(found.rows, x[found.indices])
    assert torch.equal(found.labels, y[found.indices])
    assert bool((found.labels != labels).all())


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_it_is_exact_where_a_product_in_single_precision_cannot_tell(offset: float) -> None:
    """Differences of the distances far below the rounding of the products, as among images of a large mean."""
    x, y = rows_of(2500, 30, 2, 3)
    x = (1e-3 * x + offset).contiguous()
    found = nearest_of_another_class(x[:200], y[:200], parts(x, y, 300))
    exact = torch.cdist(x[:200].double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist")
    exact[y[:200, None] == y] = torch.inf
    assert torch.equal(found.indices, exact.argmin(1))
    assert found.distances.numpy() == pytest.approx(exact.amin(1).numpy(), rel=1e-12)


def test_a_class_may_be_named_and_the_first_of_equals_wins() -> None:
    x, y = rows_of(3 * BLOCK_ROWS, 4, 3, 0)
    x[5::7] = x[5]  # the same row many times, in several classes
    found = nearest_of_another_class(x[5:6] + 0.1, torch.tensor([0]), parts(x, y, 1000), target=2)
    distances = (x - x[5] - 0.1).double().norm(dim=1)
    distances[y != 2] = torch.inf
    assert found.labels.tolist() == [2]
    assert int(found.indices) == int((distances < distances.min() + 1e-6).nonzero()[0])


def test_the_data_may_be_larger_than_memory() -> None:
    """A stream that makes its rows when asked, and holds none."""

    def stream() -> Iterator[tuple[Tensor, Tensor]]:
        for number in range(200):
            x = torch.full((500, 8), float(number))
            yield x, torch.full((500,), number % 2)

    found = nearest_of_another_class(torch.full((3, 8), 150.25), torch.tensor([0, 1, 0]), stream())
    assert found.indices.tolist() == [151 * 500, 150 * 500, 151 * 500]
    assert found.distances.numpy() == pytest.approx(np.array([0.75, 0.25, 0.75]) * 8**0.5, rel=1e-5)


def test_wrong_input_is_refused() -> None:
    x, y = torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
    other = torch.ones_like(y)
    for queries, labels, rows, classes, words in [
        (x, y, x, y, "no example of another class than 0 among 4 rows"),
        (x, y, x[:, :2], other, "rows must have 3 numbers, as the queries, got 2"),
        (x, y, x / 0, other, "row 0 of the data is not finite"),
        (x / 0, y, x, other, "queries must be finite"),
        (x.long(), y, x, other, "queries must be finite and floating point"),
        (x, y.float(), x, other, "the classes of queries must be whole numbers"),
        (x, y[:3], x, other, "queries must be"),
    ]:
        with pytest.raises(InputError, match=words):
            nearest_of_another_class(queries, labels, [(rows, classes)])
    with pytest.raises(InputError, match="no example of class 7 for an input of class 0"):
        nearest_of_another_class(x, y, [(x, other)], target=7)
