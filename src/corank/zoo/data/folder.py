"""A folder of class folders of images, with or without `train` and `test` above, or the same as an archive.

The classes are numbered in alphabetical order. Images keep their pixels: all must have one size, and they are
grey if every one is, otherwise RGB.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image

from corank.errors import InputError
from corank.zoo.data.dataset import Dataset, Split, assemble
from corank.zoo.data.members import read_images
from corank.zoo.data.reason import reason

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
_SPLITS = {
    "train": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}
_CHUNK = 256
_UNDECODABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)


def is_folder_or_archive(path: Path) -> bool:
    """Whether `load_folder` reads a path, judged by what it is and its name.

    Example:
        >>> is_folder_or_archive(Path("flowers.tar.xz")), is_folder_or_archive(Path("flowers.npz"))
        (True, False)
    """
    return path.is_dir() or path.name.endswith(ARCHIVES)


def load_folder(path: Path, name: str | None = None) -> Dataset:
    """The images of `[train|test|validation/]<class>/<image>`, possibly within one more folder.

    Args:
        path: the folder, `.tar`, `.tar.gz`, `.tar.xz`, `.tar.bz2` or `.zip`; archives are read in memory.
        name: how results name it; by default the path's own name.

    Splits that are missing are taken out of the training images by the hash of the index in the sorted paths.

    Raises:
        InputError: a damaged archive or image, images of several sizes, or folders in another arrangement.
    """
    parts = _arranged(path, read_images(path))
    classes = tuple(sorted({member.parent.name for member in parts["train"]}))
    if len(classes) < 2:
        came = ", ".join(classes) or "none"
        raise InputError(f"{path} must hold at least two class folders for training, got {came}")
    splits = {title: _labelled(path, title, members, classes) for title, members in parts.items()}
    images = _decoded(path, parts)
    ready = {title: Split(images[title], splits[title]) for title in splits}
    title = name or path.name.split(".")[0]
    return assemble(title, ready.pop("train"), class_names=classes, **ready)


def _arranged(path: Path, images: Mapping[PurePosixPath, bytes]) -> dict[str, dict[PurePosixPath, bytes]]:
    """The members by split; all under "train" where no split stands above the classes."""
    if not images:
        raise InputError(f"{path} must hold images in class folders, found none: see that they lie <class>/<image>")
    has_splits = any(_split_of(member) for member in images)
    parts: dict[str, dict[PurePosixPath, bytes]] = {"train": {}}
    above: set[PurePosixPath] = set()
    for member, content in images.items():
        title = _split_of(member) if has_splits else "train"
        if title is None or len(member.parts) < 2:
            wanted = "train/<class>/<image> or test/<class>/<image>" if has_splits else "<class>/<image>"
            raise InputError(f"images of {path} must lie as {wanted}, got {member}")
        parts.setdefault(title, {})[member] = content
        above.add(member.parents[2 if has_splits else 1])
        if len(above) > 1:
            one, other = sorted(map(str, above))
            raise InputError(f"class folders of {path} must lie side by side, found some in {one} and in {other}")
    return parts


def _split_of(member: PurePosixPath) -> str | None:
    return _SPLITS.get(member.parts[-3]) if len(member.parts) > 2 else None


def _labelled(path: Path, title: str, members: Mapping[PurePosixPath, bytes], classes: Sequence[str]) -> torch.Tensor:
    number = {name: label for label, name in enumerate(classes)}
    unknown = next((member for member in members if member.parent.name not in number), None)
    if unknown is not None:
        raise InputError(f"every class of {path} must be in train, {title} has also {unknown.parent.name!r}")
    return torch.tensor([number[member.parent.name] for member in members])


def _decoded(path: Path, parts: Mapping[str, Mapping[PurePosixPath, bytes]]) -> dict[str, torch.Tensor]:
    """The images of each split as one uint8 tensor `(N, 1 or 3, H, W)`."""
    files = [(member, content) for members in parts.values() for member, content in members.items()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the decoder works outside Python's lock
        chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
        decoded = [pixels for part in pool.map(lambda chunk: _decode(path, chunk), chunks) for pixels in part]
    channels = max(pixels.shape[2] for pixels in decoded)
    height, width = decoded[0].shape[:2]
    stored = np.empty((len(files), channels, height, width), dtype=np.uint8)
    for row, ((member, _), pixels) in enumerate(zip(files, decoded, strict=True)):
        if pixels.shape[:2] != (height, width):
            sizes = f"{member} is {pixels.shape[1]}x{pixels.shape[0]}, {files[0][0]} {width}x{height}"
            raise InputError(f"images of {path} must have one size, {sizes}: resize them first")
        stored[row] = pixels.transpose(2, 0, 1)  # a single grey channel fills all three
    split = torch.split(torch.from_numpy(stored), [len(members) for members in parts.values()])
    return dict(zip(parts, split, strict=True))


def _decode(path: Path, files: Sequence[tuple[PurePosixPath, bytes]]) -> list[np.ndarray[Any, Any]]:
    images = []
    for member, content in files:
        try:
            with Image.open(io.BytesIO(content)) as image:
                pixels = np.asarray(_plain(image))
        except _UNDECODABLE as error:
            raise InputError(
                f"{member} in {path} is no readable image ({reason(error)}): mend it or leave it out"
            ) from error
        images.append(pixels.reshape(*pixels.shape[:2], -1))
    return images


def _plain(image: Image.Image) -> Image.Image:
    """The image with one grey channel or three colours of a byte each, without transparency."""
    if image.mode in ("L", "RGB"):
        return image
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"mode {image.mode} has more than 8 bits a channel")
    return image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")
