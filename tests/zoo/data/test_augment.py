"""Augmented images are what one image at a time would give, all choices come equally often, no images are mixed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from torch.nn import functional

from corank.errors import InputError
from corank.zoo.data import Compose, CropAndFlip, Cutout, RotateAndShift


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


@pytest.mark.parametrize("size", [1, 2, 3, 12])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_square_is_cut_out_around_every_pixel_equally_often(size: int, dtype: torch.dtype) -> None:
    height, width, draws = 4, 5, 8000
    images = torch.full((draws, 2, height, width), 7).to(dtype)
    cut = Cutout(size=size)(images, torch.Generator().manual_seed(1))
    assert cut.dtype == dtype
    assert torch.equal(cut[:, 0], cut[:, 1])  # all channels alike
    assert bool((images == 7).all())  # the stored images are left alone
    possible: dict[tuple[bool, ...], float] = {}
    for row in range(height):
        for column in range(width):
            mask = torch.zeros(height, width, dtype=torch.bool)
            top, left = row - size // 2, column - size // 2
            mask[max(top, 0) : top + size, max(left, 0) : left + size] = True
            key = tuple(mask.flatten().tolist())
            possible[key] = possible.get(key, 0.0) + draws / (height * width)
    masks, counts = torch.unique(cut[:, 0].flatten(1) == 0, dim=0, return_counts=True)
    found = {tuple(mask.tolist()): int(count) for mask, count in zip(masks, counts, strict=True)}
    assert found.keys() == possible.keys()
    # A count is binomial, its deviation below the root of its mean; five of them are allowed.
    assert all(abs(found[key] - mean) <= 5 * mean**0.5 for key, mean in possible.items())


def one_at_a_time(image: torch.Tensor, angle: float, right: float, down: float) -> torch.Tensor:
    """The same rotation about the centre and shift in pixels, by scipy."""
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine, sine], [-sine, cosine]])  # of (row, column)
    centre = (np.array(image.shape) - 1) / 2
    offset = centre - matrix @ centre + np.array([down, right])
    return torch.from_numpy(affine_transform(image.numpy(), matrix, offset, order=1, mode="grid-constant"))


def test_rotations_and_shifts_agree_with_scipy_on_an_oblong_image() -> None:
    images = torch.rand(20, 1, 7, 10, generator=torch.Generator().manual_seed(0))
    step = RotateAndShift(degrees=40, pixels=3)
    moved = step(images, torch.Generator().manual_seed(2))
    drawn = 2 * torch.rand(3, 20, generator=torch.Generator().manual_seed(2)) - 1
    for image, result, (turn, right, down) in zip(images[:, 0], moved[:, 0], drawn.T.tolist(), strict=True):
        wanted = one_at_a_time(image.double(), turn * np.radians(40), 3 * right, 3 * down)
        assert torch.allclose(result.double(), wanted, atol=1e-4)  # float32 places in an image of ten pixels


def test_a_rotation_keeps_the_type_and_rounds_bytes() -> None:
    images = torch.randint(0, 256, (6, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    as_bytes = RotateAndShift()(images, torch.Generator().manual_seed(3))
    as_floats = RotateAndShift()(images.float(), torch.Generator().manual_seed(3))
    assert as_bytes.dtype == torch.uint8
    assert torch.equal(as_bytes.float(), as_floats.round())
    assert not torch.equal(as_bytes, images)


def test_steps_are_made_in_their_order_with_one_generator() -> None:
    images = torch.rand(9, 1, 6, 6)
    crop, cut = CropAndFlip(padding=1), Cutout(size=3)
    generator = torch.Generator().manual_seed(4)
    wanted = cut(crop(images, generator), generator)
    assert torch.equal(Compose((crop, cut))(images, torch.Generator().manual_seed(4)), wanted)
    assert torch.equal(Compose(())(images, generator), images)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Cutout, {"size": 0}, "size must be at least 1 pixel, got 0"),
        (RotateAndShift, {"degrees": -1}, "degrees must be between 0 and 180, got -1"),
        (RotateAndShift, {"degrees": 181}, "got 181"),
        (RotateAndShift, {"pixels": -0.5}, "pixels must be 0 or more, got -0.5"),
        (RotateAndShift, {"pixels": float("nan")}, "got nan"),
    ],
)
def test_wrong_options_are_refused(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**options)


def test_a_batch_costs_far_less_than_its_images_one_by_one() -> None:
    images = torch.zeros(2048, 1, 4, 4, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)

    def best(step: Any, parts: tuple[torch.Tensor, ...]) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            for part in parts:
                step(part, generator)
            times.append((time.perf_counter() - start) / sum(map(len, parts)))
        return min(times)

    for step in (CropAndFlip(), Cutout(), RotateAndShift()):
        # Measured 380 times or more; a loop inside would make them equal.
        assert 8 * best(step, (images,)) < best(step, images[:64].split(1))
