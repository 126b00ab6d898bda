"""One text names any data; what is missing or mistyped is said with the way on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corank.errors import InputError
from corank.zoo.data import data_names, load_data

NPZ = {"x": np.zeros((80, 5, 5), np.uint8), "y": np.arange(80) % 2}


@pytest.fixture(autouse=True)
def no_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORANK_DATA", raising=False)


def test_a_name_a_path_and_a_function_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "mine.npz", **NPZ)
    (tmp_path / "loaders_here.py").write_text(
        "import numpy\ndef mine():\n    file = numpy.load('mine.npz')\n    return file['x'], file['y']\n"
    )
    monkeypatch.chdir(tmp_path)
    assert load_data("digits").name == "digits"
    assert load_data("mine.npz").name == "mine"
    assert load_data(str(tmp_path / "mine.npz")).name == "mine"
    assert load_data("loaders_here:mine").name == "mine"


def test_a_path_with_a_colon_is_a_path_if_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a:b").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="a:b must hold images"):
        load_data("a:b")


STORED = [name for name in data_names() if name != "digits" and not name.startswith("synthetic-")]
PLACES = {
    "cifar10": ("cifar-10-batches-bin", "cifar-10-python.tar.gz", "www.cs.toronto.edu/~kriz/cifar.html"),
    "cifar100": ("cifar-100-binary", "cifar-100-python.tar.gz", "www.cs.toronto.edu/~kriz/cifar.html"),
    "cifar100-coarse": ("cifar-100-binary", "cifar-100-python.tar.gz", "www.cs.toronto.edu/~kriz/cifar.html"),
    "cifar10-jpeg": ("cifar10-jpeg.tar.xz", "<class>", "JPEG"),
    "fashion-mnist": ("fashion-mnist", "-ubyte.gz", "github.com/zalandoresearch/fashion-mnist"),
    "mnist": ("mnist", "-ubyte.gz", "yann.lecun.com/exdb/mnist"),
    "svhn": ("svhn", "train_32x32.mat", "ufldl.stanford.edu/housenumbers"),
}


@pytest.mark.parametrize("name", STORED)
def test_missing_data_says_what_is_wanted_where(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, file, page = PLACES[name]
    with pytest.raises(InputError, match=rf"{name} needs the folder that holds {place}.*CORANK_DATA"):
        load_data(name)
    with pytest.raises(
        InputError, match=rf"{name} is wanted at {tmp_path}/{place}.*--data-root.*CORANK_DATA"
    ) as caught:
        load_data(name, tmp_path)
    assert file in str(caught.value)
    assert page in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("CORANK_DATA", str(tmp_path))
    with pytest.raises(InputError, match=rf"{name} is wanted at {tmp_path}/{place}"):
        load_data(name)


def test_an_incomplete_mnist_folder_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    with pytest.raises(InputError, match=r"mnist/train-images-idx3-ubyte .* is missing"):
        load_data("mnist", tmp_path)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mnits", r"unknown data 'mnits' .*did you mean .*mnist"),
        ("flowers", "unknown data 'flowers' .*known: digits, mnist, .*cifar100-coarse, svhn, synthetic-gaussians"),
        ("flowers.npz", "no data at flowers.npz"),
        ("some/where", "no data at some/where"),
        ("flowers.tar.xz", "no data at flowers.tar.xz"),
        ("no_such_module:make", "no module 'no_such_module'"),
        ("corank.errors:nearr", r"has no 'nearr' .*did you mean near\?"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path: Path, spec: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        load_data(spec)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("1,2\n")
    with pytest.raises(InputError, match=r"must be a folder, .* got .*table.csv"):
        load_data(str(tmp_path / "table.csv"))


def test_the_jpeg_copy_of_cifar(data_root: Path) -> None:
    data = load_data("cifar10-jpeg", data_root)
    assert data.name == "cifar10-jpeg"
    assert data.shape == (3, 32, 32)
    assert data.class_names[:3] == ("airplane", "automobile", "bird")
    assert len(data.train) + len(data.validation) == 50000
    assert data.test.labels.bincount().tolist() == [1000] * 10
    assert data.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=2e-3)
