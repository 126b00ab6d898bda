"""Random crops and mirror images, for a whole batch at once.

He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2: four pixels of zeros are padded on
each side, a crop of the old size is taken at random, and every second image is flipped left to right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from corank.errors import InputError


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
