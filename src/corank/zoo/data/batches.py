"""Batches cut out of a split that lies in memory: a slice, or one gathered copy, and a conversion to float.

Nothing is decoded or copied between processes, so a batch costs about as much as copying its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from corank.errors import InputError
from corank.zoo.data.dataset import Split

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
_BETWEEN_SEEDS = 0x9E3779B1  # torch takes 32 bits of a seed: odd and near 2^32 / 1.618, so that seeds lie far apart


class Batches:
    """A re-iterable of `(x, y)`: x `(B, C, H, W)` float32 in pixel space, y `(B,)` int64.

    One seed and epoch give one order and one augmentation; `set_epoch` moves on. The last batch may
    be smaller.

    Args:
        split: the images and labels.
        batch_size: images in a batch.
        shuffle: a new permutation in each epoch instead of the stored order.
        seed: of the permutations and the augmentation.
        augment: called with the stored images of a batch and a generator.
        limit: only the first so many images of the split.

    Raises:
        InputError: a batch size, limit or seed out of range.

    Example:
        >>> split = Split(torch.full((5, 1, 2, 2), 255, dtype=torch.uint8), torch.arange(5))
        >>> [(float(x.max()), y.tolist()) for x, y in Batches(split, 3)]
        [(1.0, [0, 1, 2]), (1.0, [3, 4])]
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        augment: Augment | None = None,
        limit: int | None = None,
    ) -> None:
        for option, value in (("batch_size", batch_size), ("limit", 1 if limit is None else limit)):
            if value < 1:
                raise InputError(f"{option} must be at least 1, got {value}")
        if not 0 <= seed < 2**32:
            raise InputError(f"seed must be between 0 and {2**32 - 1}, got {seed}")
        self.split = split
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.augment = augment
        self.samples = len(split) if limit is None else min(limit, len(split))
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation and the augmentation of an epoch, counted from 0."""
        if not 0 <= epoch < 2**31:
            raise InputError(f"epoch must be between 0 and {2**31 - 1}, got {epoch}")
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed((self.seed * _BETWEEN_SEEDS + self.epoch) % 2**32)
        order = torch.randperm(self.samples, generator=generator) if self.shuffle else None
        for start in range(0, self.samples, self.batch_size):
            chosen = slice(start, min(start + self.batch_size, self.samples))
            images, labels = self._stored(chosen if order is None else order[chosen])
            if self.augment is not None:
                images = self.augment(images, generator)
            yield to_pixels(images), labels

    def _stored(self, chosen: slice | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = self.split.images, self.split.labels
        if isinstance(chosen, slice):
            return images[chosen], labels[chosen]
        # One row an image: index_select copies long rows whole, four-dimensional indexing goes by pixel rows.
        rows = images.flatten(1).index_select(0, chosen)
        return rows.reshape(-1, *images.shape[1:]), labels[chosen]


def to_pixels(images: torch.Tensor) -> torch.Tensor:
    """Stored images as float32 in pixel space: bytes divided by 255, floating point as it is.

    Example:
        >>> to_pixels(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist()
        [0.0, 0.20000000298023224, 1.0]
    """
    return images.to(torch.float32).div_(255) if images.dtype == torch.uint8 else images
