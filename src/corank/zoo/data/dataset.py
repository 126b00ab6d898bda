"""Data sets in memory: images as they are stored (bytes where possible), labels, and three splits of them.

Choices (a rank, an epoch, a threshold) are made on the validation split and the test split is read once. Data
without one of them gives up a share of its training images, chosen by a fixed hash of each image's index: the
same images on every machine, with every seed, and when images are added at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from corank.errors import InputError

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Split:
    """Images `(N, channels, height, width)` or vectors `(N, features)`, uint8 or float32, and labels `(N,)`, int64.

    Raises:
        InputError: another shape or type, a negative label, a pixel that is not finite.

    Example:
        >>> len(Split(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0])))
        3
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.ndim not in (2, 4) or images.dtype not in (torch.uint8, torch.float32):
            came = f"{tuple(images.shape)} of {images.dtype}"
            raise InputError(
                f"images must be (N, channels, height, width), vectors (N, features), of uint8 or float32, got {came}"
            )
        if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
            came = f"{tuple(labels.shape)} of {labels.dtype}"
            raise InputError(f"labels must be ({len(images)},) of int64, one for each image, got {came}")
        if bool((labels < 0).any()):
            row = int((labels < 0).nonzero()[0])
            raise InputError(f"labels must be 0 or more, got {int(labels[row])} in row {row}: number from 0")
        if images.is_floating_point() and not bool(images.isfinite().all()):
            row = int((~images.isfinite()).flatten(1).any(1).nonzero()[0])
            raise InputError(f"pixels must be finite, row {row} has one that is not: leave that image out")

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, chosen: torch.Tensor) -> Split:
        """The images at the given indices, or where the given mask is true."""
        return Split(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its three splits.

    Args:
        name: how results name it.
        train, validation, test: disjoint splits of images of one shape.
        class_names: one for each label, in the order of the labels.
        bounds: the least and largest value of a pixel; bytes are seen as `byte / 255`.
        mean, std: of each channel over the training split, in pixel space; a constant channel has std 1.

    Raises:
        InputError: a split without images, splits of different shapes, or a label without a class.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    bounds: tuple[float, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for title in ("train", "validation", "test"):
            split: Split = getattr(self, title)
            if not len(split):
                raise InputError(f"the {title} split of {self.name} has no images: give it more images")
            if split.images.shape[1:] != self.train.images.shape[1:]:
                shapes = f"{tuple(split.images.shape[1:])}, training images {self.shape}"
                raise InputError(f"images of one shape are needed, {title} images of {self.name} are {shapes}")
            if int(split.labels.max()) >= self.classes:
                row = int(split.labels.argmax())
                came = f"{int(split.labels[row])} in {title} row {row}"
                raise InputError(f"labels of {self.name} must be below {self.classes}, got {came}")

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image, or the number of features."""
        return tuple(self.train.images.shape[1:])


def assemble(
    name: str,
    train: Split,
    *,
    test: Split | None = None,
    validation: Split | None = None,
    class_names: tuple[str, ...] | None = None,
) -> Dataset:
    """A data set from what its source has: the splits that are missing are taken out of the training images.

    Args:
        name: how results name it.
        train: the images that are not set aside by the source.
        test: where missing, the fifth of `train` with the smallest hashes of the index.
        validation: where missing, the tenth of `train` with the next smallest hashes.
        class_names: by default the numbers up to the largest label.

    Raises:
        InputError: too few images for three splits, or labels and shapes that do not fit together.

    Example:
        >>> grey = Split(torch.zeros(100, 1, 8, 8, dtype=torch.uint8), torch.arange(100) % 4)
        >>> data = assemble("grey", grey)
        >>> len(data.train) + len(data.validation) + len(data.test), data.classes
        (100, 4)
    """
    if not len(train):
        raise InputError(f"the train split of {name} has no images: give it more images")
    if class_names is None:
        class_names = _numbered_classes(name, [split for split in (train, validation, test) if split is not None])
    place = index_hash(len(train))
    test_end = TEST_SHARE if test is None else 0.0
    validation_end = test_end + (VALIDATION_SHARE if validation is None else 0.0)
    kept = train.select(place >= validation_end)
    # Before a statistic is taken of it, so that the message is about the split and not about the statistic.
    if not len(kept):
        raise InputError(f"the train split of {name} has no images: give it more images")
    mean, std = channel_statistics(kept.images)
    return Dataset(
        name=name,
        train=kept,
        validation=_unless(validation, train, (place >= test_end) & (place < validation_end)),
        test=_unless(test, train, place < test_end),
        class_names=class_names,
        bounds=_bounds(train.images),
        mean=mean,
        std=std,
    )


def _unless(given: Split | None, train: Split, chosen: torch.Tensor) -> Split:
    return train.select(chosen) if given is None else given


def index_hash(count: int) -> torch.Tensor:
    """A fixed number in [0, 1) for each index below `count`: splitmix64 (Steele et al. 2014) of the index.

    Example:
        >>> bool((index_hash(5) == index_hash(9)[:5]).all())
        True
    """
    state = (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return torch.from_numpy((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def channel_statistics(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in pixel space, accumulated in float64.

    Example:
        >>> channel_statistics(torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1))
        ((0.5,), (0.5,))
    """
    values, weights = _histogram(images) if images.dtype == torch.uint8 else _flat_pixels(images)
    mean = (weights * values).sum(1) / weights.sum(1)
    variance = (weights * (values - mean[:, None]).square()).sum(1) / weights.sum(1)
    std = variance.sqrt()
    return tuple(mean.tolist()), tuple(torch.where(std > 0, std, 1.0).tolist())


def _histogram(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The 256 values of a byte in pixel space, and how often each comes in each channel: an exact count."""
    parts = torch.split(images, 4096)  # a channel's pixels do not lie together, so they are copied: in parts
    counts = [
        torch.stack([torch.bincount(part[:, channel].flatten(), minlength=256) for part in parts]).sum(0)
        for channel in range(images.shape[1])
    ]
    return torch.arange(256, dtype=torch.float64)[None] / 255, torch.stack(counts).double()


def _flat_pixels(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = images.transpose(0, 1).flatten(1).double()
    return pixels, torch.ones_like(pixels)


def _bounds(images: torch.Tensor) -> tuple[float, float]:
    if images.dtype == torch.uint8:
        return 0.0, 1.0
    low, high = float(images.min()), float(images.max())
    return (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (low, high)


def _numbered_classes(name: str, splits: list[Split]) -> tuple[str, ...]:
    largest = max(int(split.labels.max()) for split in splits if len(split))
    images = sum(len(split) for split in splits)
    if largest >= images:
        raise InputError(f"labels of {name} must number the classes from 0, got {largest} in {images} images")
    return tuple(str(label) for label in range(largest + 1))
