"""Splits are disjoint, cover everything, stay where they are when data grows, and statistics are exact."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch

from corank.errors import InputError
from corank.zoo.data import Split, assemble, channel_statistics, index_hash


def numbered(count: int, classes: int = 4, shape: tuple[int, ...] = (3, 2, 5)) -> Split:
    """Images whose first two bytes are their own number."""
    images = torch.zeros(count, *shape, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(count) // 256
    images[:, 0, 0, 1] = torch.arange(count) % 256
    return Split(images, torch.arange(count) % classes)


def numbers(split: Split) -> list[int]:
    return (split.images[:, 0, 0, 0].long() * 256 + split.images[:, 0, 0, 1]).tolist()


def test_splits_are_disjoint_and_cover_the_data() -> None:
    data = assemble("numbered", numbered(3000))
    taken = [numbers(split) for split in (data.train, data.validation, data.test)]
    assert sorted(chain(*taken)) == list(range(3000))
    # A share p of n indices has standard deviation sqrt(p (1 - p) / n) < 0.8 %; four of them are allowed.
    assert [len(part) / 3000 for part in taken] == pytest.approx([0.7, 0.1, 0.2], abs=0.032)


def test_labels_stay_with_their_images() -> None:
    data = assemble("numbered", numbered(500))
    for split in (data.train, data.validation, data.test):
        assert [number % 4 for number in numbers(split)] == split.labels.tolist()


def test_what_the_source_sets_aside_is_kept_as_it_is() -> None:
    own = numbered(50)
    with_test = assemble("numbered", numbered(1000), test=own)
    assert with_test.test is own
    assert len(with_test.train) + len(with_test.validation) == 1000
    with_both = assemble("numbered", numbered(1000), test=own, validation=own)
    assert numbers(with_both.train) == list(range(1000))


def test_the_split_of_an_image_does_not_change_when_images_are_added() -> None:
    assert torch.equal(index_hash(1000), index_hash(2500)[:1000])
    small, large = assemble("numbered", numbered(1000)), assemble("numbered", numbered(2500))
    assert numbers(small.test) == [number for number in numbers(large.test) if number < 1000]


def test_the_hash_is_splitmix64() -> None:
    # First outputs of the generator with state 0, as its authors publish them.
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert index_hash(3).tolist() == [(value >> 11) * 2.0**-53 for value in published]


def test_statistics_agree_with_numpy_and_belong_to_the_training_split() -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (400, 3, 4, 4), generator=generator, dtype=torch.uint8)
    data = assemble("noise", Split(images, torch.arange(400) % 2))
    pixels = data.train.images.numpy().astype(np.float64) / 255
    assert data.mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), rel=1e-12)
    assert data.std == pytest.approx(pixels.std(axis=(0, 2, 3)), rel=1e-12)
    as_floats = channel_statistics(data.train.images.float() / 255)
    assert as_floats[0] == pytest.approx(data.mean, rel=1e-6)  # float32 images
    assert as_floats[1] == pytest.approx(data.std, rel=1e-6)


def test_a_constant_channel_can_still_be_normalised() -> None:
    images = torch.full((100, 1, 2, 2), 51, dtype=torch.uint8)
    data = assemble("constant", Split(images, torch.zeros(100, dtype=torch.int64)))
    assert data.mean == pytest.approx((0.2,))
    assert data.std == (1.0,)


@pytest.mark.parametrize(("low", "high", "bounds"), [(0.1, 0.9, (0.0, 1.0)), (-2.0, 3.0, (-2.0, 3.0))])
def test_bounds_of_floating_point_images(low: float, high: float, bounds: tuple[float, float]) -> None:
    images = torch.linspace(low, high, 400).reshape(100, 1, 2, 2)
    assert assemble("ramp", Split(images, torch.arange(100) % 2)).bounds == pytest.approx(bounds)


def test_a_split_refuses_what_is_no_image_or_label() -> None:
    grey = torch.zeros(3, 1, 2, 2)
    with pytest.raises(InputError, match=r"got \(3, 4, 4\) of torch.float32"):
        Split(torch.zeros(3, 4, 4), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match="of torch"):
        Split(grey.double(), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match=r"got \(2,\)"):
        Split(grey, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(InputError, match="got -7 in row 1"):
        Split(grey, torch.tensor([0, -7, 0]))
    grey[2, 0, 1, 1] = torch.nan
    with pytest.raises(InputError, match="row 2"):
        Split(grey, torch.zeros(3, dtype=torch.int64))


def test_a_data_set_refuses_splits_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="split of few has no images"):
        assemble("few", numbered(2))
    with pytest.raises(InputError, match="train split of none has no images"):
        assemble("none", numbered(0))
    with pytest.raises(InputError, match="test split of odd has no images"):
        assemble("odd", numbered(100), test=numbered(0))
    with pytest.raises(InputError, match=r"\(1, 2, 2\)"):
        assemble("odd", numbered(100), test=numbered(10, shape=(1, 2, 2)))
    with pytest.raises(InputError, match="below 3, got 3 in"):
        assemble("odd", numbered(100), class_names=("a", "b", "c"))
    with pytest.raises(InputError, match="got 5000 in 100 images"):
        assemble("odd", Split(numbered(100).images, torch.full((100,), 5000)))
