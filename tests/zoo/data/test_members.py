"""Members come sorted, the later of two equal names counts, and a folder is not walked without end."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from corank.errors import InputError
from corank.zoo.data.members import read_files, read_images


def test_the_later_of_two_members_counts_and_all_are_sorted(tmp_path: Path) -> None:
    path = tmp_path / "twice.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in (
            ("b.png", b"1"),
            ("a.png", b"old"),
            ("a.png", b"newer"),
            ("c.txt", b"no image"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert list(read_images(path).items()) == [
        (PurePosixPath("a.png"), b"newer"),
        (PurePosixPath("b.png"), b"1"),
    ]


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "one.PNG").write_bytes(b"1")
    (tmp_path / "cat" / "loop").symlink_to(tmp_path)
    found = read_images(tmp_path)
    assert found[PurePosixPath("cat/one.PNG")] == b"1"
    assert all(len(name.parts) <= 4 for name in found)


def test_only_wanted_members_are_read_and_the_others_named(tmp_path: Path) -> None:
    path = tmp_path / "both.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("b/two.bin", "a/one.bin", "a/one.txt", ".hidden.bin"):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    found, others = read_files(path, lambda name: name.suffix == ".bin")
    assert list(found.items()) == [(PurePosixPath(name), name.encode()) for name in ("a/one.bin", "b/two.bin")]
    assert others == [PurePosixPath("a/one.txt")]


def test_a_cut_archive_names_the_member_at_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "cut.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("a.png", "b.png"):
            member = tarfile.TarInfo(name)
            member.size = 3000
            archive.addfile(member, io.BytesIO(bytes(3000)))
    path.write_bytes(path.read_bytes()[:6000])  # a.png takes 512 + 3072 bytes
    with pytest.raises(InputError, match=r"cut.tar cannot be read (in|after) b.png"):
        read_images(path)
