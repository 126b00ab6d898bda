"""An augmented image is a crop of its padded original, perhaps mirrored, and all are equally likely."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from corank.errors import InputError
from corank.zoo.data import CropAndFlip


def crops(image: torch.Tensor, padding: int, flip: bool) -> list[torch.Tensor]:
    """All results that one image can have, one at a time."""
    padded = functional.pad(image, (padding,) * 4)
    _, height, width = image.shape
    places = range(2 * padding + 1)
    plain = [padded[:, y : y + height, x : x + width] for y in places for x in places]
    return plain + [crop.flip(2) for crop in plain] if flip else plain


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_every_result_is_a_crop_and_every_crop_comes_equally_often(flip: bool, dtype: torch.dtype) -> None:
    image = torch.arange(1, 25).reshape(2, 3, 4).to(dtype)
    possible = {tuple(crop.flatten().tolist()): 0 for crop in crops(image, 1, flip)}
    draws = 400 * len(possible)
    augmented = CropAndFlip(padding=1, flip=flip)(image.expand(draws, -1, -1, -1), torch.Generator().manual_seed(5))
    assert augmented.dtype == dtype
    for result in augmented:
        possible[tuple(result.flatten().tolist())] += 1  # a KeyError is a result that is no crop
    # Each count is binomial with mean 400 and standard deviation below 20; five of them are allowed.
    assert all(abs(count - 400) < 100 for count in possible.values())


def test_images_of_a_batch_are_not_mixed() -> None:
    values = torch.arange(1, 51, dtype=torch.uint8)
    images = values[:, None, None, None].expand(50, 3, 6, 6)
    augmented = CropAndFlip(padding=2)(images, torch.Generator().manual_seed(0))
    assert torch.equal(augmented.amax(dim=(1, 2, 3)), values)


def test_without_padding_and_flip_nothing_changes() -> None:
    images = torch.rand(4, 3, 5, 7)
    assert torch.equal(CropAndFlip(padding=0, flip=False)(images, torch.Generator()), images)


def test_a_negative_padding_is_refused() -> None:
    with pytest.raises(InputError, match="got -1"):
        CropAndFlip(padding=-1)
