"""A folder and its archives are the same data; nothing is extracted; bad images and layouts are named."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from corank.errors import InputError
from corank.zoo.data import Dataset, load_folder

Files = dict[str, bytes]


def png(number: int, size: tuple[int, int] = (5, 4), mode: str = "L") -> bytes:
    """An image whose pixels count up from a number, so that it can be told from others."""
    width, height = size
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = (np.arange(width * height * channels) + number).astype(np.uint8).reshape(height, width, channels)
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels, mode).save(buffer, "PNG")
    return buffer.getvalue()


def two_classes(prefix: str = "", count: int = 30, mode: str = "L") -> Files:
    return {
        f"{prefix}{name}/{i:03d}.png": png(i + 100 * label, mode=mode)
        for label, name in enumerate(("cat", "dog"))
        for i in range(count)
    }


def as_folder(path: Path, files: Files) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_tar(path: Path, files: Files, kind: str) -> Path:
    path = path / f"pets.tar{kind and '.'}{kind}"
    with tarfile.open(path, f"w:{kind}") as archive:
        for name, content in reversed(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def as_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path / "pets.zip", "w") as archive:
        for name, content in reversed(files.items()):
            archive.writestr(name, content)
    return path / "pets.zip"


FORMS: dict[str, Callable[[Path, Files], Path]] = {
    "tar": lambda path, files: as_tar(path, files, ""),
    "tar.gz": lambda path, files: as_tar(path, files, "gz"),
    "tar.xz": lambda path, files: as_tar(path, files, "xz"),
    "tar.bz2": lambda path, files: as_tar(path, files, "bz2"),
    "zip": as_zip,
    "folder": lambda path, files: as_folder(path / "pets", files),
}


def first_pixels(data: Dataset) -> list[list[int]]:
    return [split.images[:, 0, 0, 0].tolist() for split in (data.train, data.validation, data.test)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("inside", ["", "outer/"])
def test_all_forms_are_the_same_data(tmp_path: Path, form: str, inside: str) -> None:
    files = two_classes(inside)
    data = load_folder(FORMS[form](tmp_path, files))
    assert data.name == "pets"
    assert data.class_names == ("cat", "dog")
    assert data.shape == (1, 4, 5)
    assert sorted(chain(*first_pixels(data))) == [*range(30), *range(100, 130)]
    for split in (data.train, data.validation, data.test):
        assert torch.equal(split.labels, (split.images[:, 0, 0, 0] >= 100).long())
    assert first_pixels(data) == first_pixels(load_folder(as_folder(tmp_path / "other", files)))


@pytest.mark.parametrize("form", FORMS)
def test_splits_above_the_classes_are_kept(tmp_path: Path, form: str) -> None:
    files = two_classes("top/train/", 40) | two_classes("top/test/", 3)
    data = load_folder(FORMS[form](tmp_path, files))
    assert len(data.test) == 6
    assert len(data.train) + len(data.validation) == 80
    files |= two_classes("top/val/", 5)
    data = load_folder(FORMS[form](tmp_path, files))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [80, 10, 6]


def test_classes_are_numbered_in_alphabetical_order(tmp_path: Path) -> None:
    names = [f"{letter}-class" for letter in "hgfedcba"]
    files = {f"{name}/{i:03d}.png": png(30 * ord(name[0]) % 256) for name in names for i in range(20)}
    data = load_folder(as_zip(tmp_path, files))
    assert data.class_names == tuple(sorted(names))
    own = torch.tensor([30 * ord(name[0]) % 256 for name in data.class_names])
    assert torch.equal(own[data.train.labels], data.train.images[:, 0, 0, 0].long())


def test_what_is_no_image_is_left_out(tmp_path: Path) -> None:
    files = two_classes() | {
        "README.txt": b"hello",
        "cat/.hidden.png": b"hello",
        "cat/.DS_Store": b"hello",
        "dog/Thumbs.db": b"hello",
        "__MACOSX/cat/000.png": b"hello",
    }
    data = load_folder(as_zip(tmp_path, files))
    assert sum(map(len, (data.train, data.validation, data.test))) == 60


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L"])
def test_transparency_is_dropped_and_colours_are_kept(tmp_path: Path, mode: str) -> None:
    data = load_folder(as_folder(tmp_path / "pets", two_classes(mode=mode)))
    assert data.shape[0] == (3 if mode.startswith("RGB") else 1)
    step = len(mode)
    first = data.train.images[0, 0, 0].long()
    assert (first[1:] - first[:-1]).tolist() == [step] * 4


def test_a_grey_image_among_colours_has_three_equal_channels(tmp_path: Path) -> None:
    files = two_classes(mode="RGB") | {f"cat/9{i}.png": png(200) for i in range(30)}
    data = load_folder(as_folder(tmp_path / "pets", files))
    grey = data.train.images[data.train.images[:, 0, 0, 0] == 200]
    assert len(grey) > 0
    assert torch.equal(grey, grey[:, :1].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("name", ["../escape/cat.png", "cat/../../escape.png", "/tmp/cat/escape.png"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    for form in ("tar", "zip"):
        path = FORMS[form](tmp_path, two_classes() | {name: png(0)})
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(InputError, match=r"must stay inside it, got .*escape"):
            load_folder(path)
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["secret.png", "cat/000.png"])
def test_links_in_an_archive_are_refused(tmp_path: Path, kind: bytes, target: str) -> None:
    (tmp_path / "secret.png").write_bytes(png(250))
    path = as_tar(tmp_path, two_classes(), "")
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("cat/link.png")
        link.type, link.linkname = kind, target if target.startswith("cat") else str(tmp_path / target)
        archive.addfile(link)
    with pytest.raises(InputError, match=r"pets.tar .* cat/link.png .*a link to another file"):
        load_folder(path)


@pytest.mark.parametrize("form", FORMS)
def test_another_file_among_the_images_of_a_class_is_named(tmp_path: Path, form: str) -> None:
    path = FORMS[form](tmp_path, two_classes("top/") | {"top/dog/notes.txt": b"hello", "top/README.txt": b"hello"})
    with pytest.raises(InputError, match=r"top/dog/notes.txt in .*pets.* leave it out"):
        load_folder(path)


@pytest.mark.parametrize("form", FORMS)
def test_an_image_that_is_none_is_named_with_its_archive(tmp_path: Path, form: str) -> None:
    path = FORMS[form](tmp_path, two_classes() | {"dog/bad.jpg": b"not an image"})
    with pytest.raises(InputError, match=r"dog/bad.jpg in .*pets.* is no readable image"):
        load_folder(path)


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.xz", "tar.bz2", "zip"])
def test_a_damaged_archive_is_refused(tmp_path: Path, form: str) -> None:
    generator = np.random.default_rng(0)  # what cannot be compressed keeps every archive longer than the cuts
    files = {name: content + generator.bytes(90) for name, content in two_classes().items()}
    path = FORMS[form](tmp_path, files)
    whole = path.read_bytes()
    # The last tenth of a plain archive may be filling; a cut between two members is the hardest to see.
    for length in (0, 512, 1536, 1700, *(int(share * len(whole)) for share in (0.1, 0.5, 0.7))):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="pets") as caught:
            load_folder(path)
        assert "\n" not in str(caught.value)


def test_a_changed_header_inside_an_archive_is_refused(tmp_path: Path) -> None:
    path = as_tar(tmp_path, two_classes(), "")
    whole = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        place = archive.getmembers()[30].offset
    whole[place + 3] ^= 255
    path.write_bytes(whole)
    with pytest.raises(InputError, match=f"cut off at byte {place}"):
        load_folder(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "found none"),
        ({"cat/a.png": png(0)}, "at least two class folders for training, got cat"),
        ({"a.png": png(0), "cat/b.png": png(0)}, "must lie as <class>/<image>, got a.png"),
        (two_classes("train/") | {"cat/a.png": png(0)}, "must lie as train/<class>/<image>.*, got cat/a.png"),
        (two_classes("one/") | two_classes("two/"), "found some in one and in two"),
        (two_classes("test/"), "got none"),
        (two_classes("train/") | {"test/bird/a.png": png(0)}, "test has also 'bird'"),
        (two_classes() | {"dog/z.png": png(0, size=(9, 7))}, "dog/z.png is 9x7, cat/000.png 5x4"),
        (two_classes() | {"dog/bad.png": png(0)[:50]}, "dog/bad.png in .* is no readable image"),
        (two_classes() | {"dog/bad.jpg": b"not an image"}, "dog/bad.jpg in .* is no readable image"),
        (two_classes(count=1), "has no images"),
    ],
)
def test_other_arrangements_are_refused(tmp_path: Path, files: Files, message: str) -> None:
    (tmp_path / "pets").mkdir()
    with pytest.raises(InputError, match=message) as caught:
        load_folder(as_folder(tmp_path / "pets", files))
    assert "\n" not in str(caught.value)


def test_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 5), 40000, dtype=np.uint16)).save(buffer, "PNG")
    files = two_classes() | {"dog/deep.png": buffer.getvalue()}
    with pytest.raises(InputError, match=r"deep\.png .* more than 8 bits"):
        load_folder(as_folder(tmp_path / "pets", files))
