"""Pictures of weight matrices: noise has no pattern, a smooth matrix has one, and zeros are blank."""

from __future__ import annotations

import pytest
import torch

from corank.experiment.recipes.low_rank_weights.defending import lower
from corank.experiment.recipes.low_rank_weights.picture import BLANK, picture_of


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.rand(20, 784, generator=torch.Generator().manual_seed(0)) - 0.5


def test_noise_has_no_pattern_and_as_much_blank_as_its_distribution_says(noise: torch.Tensor) -> None:
    found = picture_of(noise)
    assert abs(found.pattern) < 4 / noise.numel() ** 0.5  # a correlation of so many independent pairs
    assert abs(found.blank - BLANK) < 4 * (BLANK / noise.numel()) ** 0.5  # a share of so many independent entries


def test_shuffled_columns_lose_the_pattern_and_keep_what_is_blank(noise: torch.Tensor) -> None:
    smooth = noise.cumsum(1)  # neighbours differ by one step, ends by the root of all
    found = picture_of(smooth)
    shuffled = picture_of(smooth[:, torch.randperm(784, generator=torch.Generator().manual_seed(0))])
    assert found.pattern > 0.9
    assert shuffled.blank == found.blank
    assert shuffled.pattern < found.pattern


def test_a_picture_has_no_unit(noise: torch.Tensor) -> None:
    small, own = picture_of(2.0**-20 * noise), picture_of(noise)
    assert small.blank == own.blank
    assert small.pattern == pytest.approx(own.pattern, rel=1e-12)


def test_a_matrix_of_zeros_is_blank_and_without_pattern() -> None:
    assert picture_of(torch.zeros(2, 3)) == picture_of(torch.zeros(4, 5))
    assert (picture_of(torch.zeros(2, 3)).blank, picture_of(torch.zeros(2, 3)).pattern) == (1.0, 0.0)


def test_lower_asks_all_columns_of_all_cells_and_waits_for_them() -> None:
    rows = [{"method": "a", "rank": 3.0, "sparsity": 9.0}, {"method": "b", "rank": 2.0, "sparsity": 8.0}]
    a, b, c = ({"method": name} for name in "abc")
    assert lower(rows, ("rank", "sparsity"), [b], a) is True
    assert lower([*rows, {**c, "rank": 1.0, "sparsity": 10.0}], ("rank", "sparsity"), [b, c], a) is False
    assert lower(rows, ("rank",), [b, c], a) is None
    assert lower(rows, ("rank",), [b], c) is None
