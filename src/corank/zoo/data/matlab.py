"""Arrays out of a MATLAB file of version 5, the one that MATLAB writes unless asked for another.

A file is a header of 128 bytes and then elements, each with a tag of its type and length; a matrix (perhaps compressed)
holds its flags, sizes, name and values as elements of their own. scipy reads them, but takes the types as they come and
crashes where a damaged file has another; so all tags are looked at first.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from corank.errors import InputError
from corank.zoo.data.reason import reason

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_FLAGS, _SIZES, _NAMES = (6,), (5,), (1,)
_NUMBERS = (*range(1, 8), 9, 12, 13)
_NUMBER_CLASSES = range(6, 16)
_COMPLEX = 0x800
_BEGINNING = 4096
_DAMAGED = (
    *(OSError, EOFError, ValueError, TypeError, LookupError),
    *(ArithmeticError, MemoryError, struct.error, zlib.error),
)


def read_mat(path: Path, names: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Real arrays by their name.

    Args:
        path: the file.
        names: the arrays that are wanted.

    Raises:
        InputError: a damaged file (with the byte where that is known), another version, anything but real arrays, or
            an array that is missing.
    """
    try:
        _check(path.read_bytes())
        found = loadmat(path, variable_names=names)
    except _DAMAGED as error:
        why = reason(error)[:100]
        raise InputError(f"{path} cannot be read as a MATLAB file of version 5 ({why}): get the file again") from error
    missing = next((name for name in names if not isinstance(found.get(name), np.ndarray)), None)
    if missing is not None:
        raise InputError(f"{path} must hold {' and '.join(names)}, {missing} is missing: get the file again")
    return {name: found[name] for name in names}


def _check(content: bytes) -> None:
    """All elements lie within the file, and each is a real array.

    Raises:
        ValueError: what is wrong, and at which byte.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER])
    if order is None or struct.unpack_from(f"{order}H", content, 124) != (0x100,):
        raise ValueError(f"its header ends in {content[124:_HEADER].hex()}")
    start = _HEADER
    while start < len(content):
        kind, length = struct.unpack_from(f"{order}2I", content.ljust(start + 8, b"\0"), start)
        end = start + 8 + length
        if end > len(content):
            raise ValueError(f"the element at byte {start} ends at {end}, the file at {len(content)}")
        inside = memoryview(content)[start + 8 : end]
        if kind == _COMPRESSED:
            inside = memoryview(zlib.decompressobj().decompress(inside, _BEGINNING))
            kind, _ = struct.unpack_from(f"{order}2I", inside)
            inside = inside[8:]
        if kind != _MATRIX or not _is_real_array(inside, order):
            raise ValueError(f"the element at byte {start} is no array of real numbers")
        start = end


def _is_real_array(matrix: memoryview, order: str) -> bool:
    """Whether flags, sizes, name and values come with types that fit; of a compressed matrix the beginning suffices."""
    elements = _elements(matrix, order)
    for number, allowed in enumerate((_FLAGS, _SIZES, _NAMES, _NUMBERS)):
        kind, start = next(elements, (0, 0))
        if kind not in allowed:
            return False
        if number == 0:
            (flags,) = struct.unpack_from(f"{order}I", matrix, start)
            if flags & _COMPLEX or flags & 0xFF not in _NUMBER_CLASSES:
                return False
    return True


def _elements(matrix: memoryview, order: str) -> Iterator[tuple[int, int]]:
    """Type and first byte of the values of each element; short ones keep type, length and values in eight bytes."""
    start = 0
    while start + 8 <= len(matrix):
        kind, length = struct.unpack_from(f"{order}2I", matrix, start)
        if kind >> 16:
            yield kind & 0xFFFF, start + 4
            start += 8
        else:
            yield kind, start + 8
            start += 8 + -(-length // 8) * 8
