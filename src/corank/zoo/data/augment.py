"""Random changes that leave the class of an image alone, made to a whole batch at once.

Crops and mirror images as He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2: four pixels of
zeros are padded on each side, a crop of the old size is taken at random, and every second image is flipped left to
right. Squares cut out, and small rotations and shifts, for what asks for more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from corank.errors import InputError
from corank.zoo.data.batches import Augment


@dataclass(frozen=True, kw_only=True)
class CropAndFlip:
    """A padded random crop, then a random horizontal flip.

    Args:
        padding: pixels of zeros on each side.
        flip: whether to flip; letters and digits should not be.

    Raises:
        InputError: a negative padding.

    Example:
        >>> images = torch.ones(2, 3, 4, 4, dtype=torch.uint8)
        >>> CropAndFlip(padding=1)(images, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3, 4, 4])
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise InputError(f"padding must be 0 or more pixels, got {self.padding}")

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """New images of the same shape `(B, C, H, W)` and type, drawn with the generator."""
        batch, channels, height, width = images.shape
        offsets = torch.randint(0, 2 * self.padding + 1, (2, batch, 1), generator=generator)
        rows = torch.arange(height) + offsets[0]
        columns = torch.arange(width).repeat(batch, 1)
        if self.flip:
            flipped = torch.rand(batch, 1, generator=generator) < 0.5
            columns = torch.where(flipped, columns.flip(1), columns)
        columns = columns + offsets[1]
        padded = functional.pad(images, (self.padding,) * 4)
        source = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
        source = source.reshape(batch, 1, -1).expand(batch, channels, -1)
        return padded.flatten(2).gather(2, source).reshape(images.shape)


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """A square of zeros around a random pixel of each image (DeVries and Taylor 2017, Cutout, section 3).

    The centre may be any pixel, so that near a border less than the square is cut out.

    Args:
        size: the side of the square in pixels.

    Raises:
        InputError: a size below one.

    Example:
        >>> images = torch.ones(1, 1, 9, 9)
        >>> int((Cutout(size=1)(images, torch.Generator().manual_seed(0)) == 0).sum())
        1
    """

    size: int = 8

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"size must be at least 1 pixel, got {self.size}")

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """New images of the same shape `(B, C, H, W)` and type, drawn with the generator."""
        rows, columns = (self._covered(len(images), side, generator) for side in images.shape[2:])
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)

    def _covered(self, batch: int, side: int, generator: torch.Generator) -> torch.Tensor:
        start = torch.randint(0, side, (batch, 1), generator=generator) - self.size // 2
        place = torch.arange(side)
        return (place >= start) & (place < start + self.size)


@dataclass(frozen=True, kw_only=True)
class RotateAndShift:
    """A small random rotation about the centre and a shift, as is done to digits (Simard et al. 2003, section 2).

    Angle and shift are uniform; pixels are interpolated linearly, what comes from outside is zero, and bytes are
    rounded.

    Args:
        degrees: the largest angle, to either side.
        pixels: the largest shift along each axis, to either side; fractions are allowed.

    Raises:
        InputError: an angle outside [0, 180] or a negative shift.

    Example:
        >>> images = torch.rand(2, 3, 5, 4)
        >>> still = RotateAndShift(degrees=0, pixels=0)(images, torch.Generator().manual_seed(0))
        >>> torch.allclose(still, images, atol=1e-5)
        True
    """

    degrees: float = 10.0
    pixels: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.degrees <= 180:
            raise InputError(f"degrees must be between 0 and 180, got {self.degrees}")
        if not 0 <= self.pixels < math.inf:
            raise InputError(f"pixels must be 0 or more, got {self.pixels}")

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """New images of the same shape `(B, C, H, W)` and type, drawn with the generator."""
        batch, _, height, width = images.shape
        drawn = 2 * torch.rand(3, batch, generator=generator) - 1
        angle = drawn[0] * math.radians(self.degrees)
        # The grid runs over [-1, 1] on both axes whatever the sides are; a rotation must be one of pixels.
        cosine, sine, ratio = angle.cos(), angle.sin(), height / width
        right, down = drawn[1] * (2 * self.pixels / width), drawn[2] * (2 * self.pixels / height)
        rows = (torch.stack([cosine, -sine * ratio, right], 1), torch.stack([sine / ratio, cosine, down], 1))
        grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
        moved = functional.grid_sample(images.to(torch.float32), grid, align_corners=False)
        return moved.round_().to(images.dtype) if images.dtype == torch.uint8 else moved


@dataclass(frozen=True)
class Compose:
    """Several augmentations, one after the other.

    Args:
        steps: called in this order, with the same generator.

    Example:
        >>> both = Compose((CropAndFlip(padding=2), Cutout(size=2)))
        >>> both(torch.ones(4, 1, 6, 6), torch.Generator().manual_seed(0)).shape
        torch.Size([4, 1, 6, 6])
    """

    steps: tuple[Augment, ...]

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """New images of the same shape `(B, C, H, W)` and type, drawn with the generator."""
        for step in self.steps:
            images = step(images, generator)
        return images
