"""The files below a folder or inside an archive, by their path, read into memory and never written out.

Because nothing is extracted, a member's path is only a name: one that climbs upwards is refused, links are
left out, and neither can reach a file of the machine.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from corank.errors import InputError
from corank.zoo.data.reason import reason

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_DEEPEST = 4
_DAMAGED = (OSError, EOFError, RuntimeError, NotImplementedError, tarfile.TarError, zipfile.BadZipFile)


def read_images(path: Path) -> dict[PurePosixPath, bytes]:
    """The undecoded image files of a folder, `.tar[.gz|.xz|.bz2]` or `.zip`, sorted by their path inside it.

    Hidden files and files without the suffix of an image are left out; of two members of one name the later
    counts, as it does in an archive.

    Raises:
        InputError: a damaged archive, or a member whose path leads out of it.
    """
    if path.is_dir():
        members = _from_folder(path, PurePosixPath())
    elif path.suffix == ".zip":
        members = _from_zip(path)
    else:
        members = _from_tar(path)
    try:
        found = {name: content for name, content in members if _is_wanted(path, name)}
    except (*_DAMAGED, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): make or get the archive again") from error
    return dict(sorted(found.items()))


def _from_folder(folder: Path, inside: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    for path in folder.iterdir():
        name = inside / path.name
        if path.is_dir() and len(name.parts) < _DEEPEST:
            yield from _from_folder(path, name)
        elif path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            yield name, path.read_bytes()


def _from_tar(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield PurePosixPath(member.name), file.read()
        # A header cut off or damaged looks to tarfile like the end, which a whole archive marks by zeros.
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"damaged or cut off at byte {archive.offset} of the unpacked archive")


def _from_zip(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield PurePosixPath(member.filename), archive.read(member)


def _is_wanted(path: Path, name: PurePosixPath) -> bool:
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"paths in {path} must stay inside it, got {str(name)!r}: make the archive again")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return not hidden and name.suffix.lower() in IMAGE_SUFFIXES
