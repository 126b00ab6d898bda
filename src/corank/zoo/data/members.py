"""The files below a folder or inside an archive, by their path, read into memory and never written out.

Because nothing is extracted, a member's path is only a name: one that climbs upwards is refused, so is a link, and
neither can reach a file of the machine.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from corank.errors import InputError
from corank.zoo.data.reason import reason

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_LITTER = ("desktop.ini", "thumbs.db")
_DEEPEST = 4
_DAMAGED = (OSError, EOFError, RuntimeError, NotImplementedError, tarfile.TarError, zipfile.BadZipFile)

_Member = tuple[PurePosixPath, Callable[[], bytes]]


def read_images(path: Path) -> dict[PurePosixPath, bytes]:
    """The undecoded image files of a folder, `.tar[.gz|.xz|.bz2]` or `.zip`, sorted by their path inside it.

    Raises:
        InputError: what `read_files` refuses, or another file beside the images of a class.
    """
    images, others = read_files(path, lambda name: name.suffix.lower() in IMAGE_SUFFIXES)
    classes = {name.parent for name in images if len(name.parts) > 1}
    stray = next((name for name in others if name.parent in classes), None)
    if stray is not None:
        raise InputError(f"{stray} in {path} lies among images and is none by its suffix: mend it or leave it out")
    return images


def read_files(
    path: Path, is_wanted: Callable[[PurePosixPath], bool]
) -> tuple[dict[PurePosixPath, bytes], list[PurePosixPath]]:
    """The content of the wanted files, sorted by their path inside, and the names of the other ones.

    Hidden files and what file managers leave behind count as neither; of two members of one name the later counts, as
    it does in an archive.

    Args:
        path: a folder, `.tar[.gz|.xz|.bz2]` or `.zip`.
        is_wanted: asked with each path inside it.

    Raises:
        InputError: a damaged archive, a member whose path leads out of it, or a wanted member that is a link.
    """
    found: dict[PurePosixPath, bytes] = {}
    others: list[PurePosixPath] = []
    place = "at its beginning"
    try:
        for name, read in _members(path):
            if name.is_absolute() or ".." in name.parts:
                raise InputError(f"paths in {path} must stay inside it, got {str(name)!r}: make the archive again")
            place = f"after {name}"
            if any(part.startswith(".") or part == "__MACOSX" for part in name.parts) or name.name.lower() in _LITTER:
                continue
            if is_wanted(name):
                place = f"in {name}"
                found[name] = read()
            else:
                others.append(name)
    except (*_DAMAGED, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path} cannot be read {place} ({reason(error)}): make or get it again") from error
    return dict(sorted(found.items())), sorted(others)


def _members(path: Path) -> Iterator[_Member]:
    if path.is_dir():
        return _from_folder(path, PurePosixPath())
    return _from_zip(path) if path.suffix == ".zip" else _from_tar(path)


def _from_folder(folder: Path, inside: PurePosixPath) -> Iterator[_Member]:
    for path in folder.iterdir():
        name = inside / path.name
        if path.is_dir() and len(name.parts) < _DEEPEST:
            yield from _from_folder(path, name)
        elif path.is_file():
            yield name, path.read_bytes


def _from_tar(path: Path) -> Iterator[_Member]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() or member.issym() or member.islnk():
                yield PurePosixPath(member.name), partial(_tar_content, archive, member)
        # A header cut off or damaged looks to tarfile like the end, which a whole archive marks by zeros.
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"damaged or cut off at byte {archive.offset} of the unpacked archive")


def _tar_content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if not member.isfile():
        raise tarfile.ReadError("a link to another file, tar --dereference --hard-dereference stores the file itself")
    file = archive.extractfile(member)
    assert file is not None, "a plain file has content"
    return file.read()


def _from_zip(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield PurePosixPath(member.filename), partial(archive.read, member)
