"""A subset has exactly the images of its classes, relabelled in the order given, in every split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from corank.errors import InputError
from corank.zoo.data import Dataset, Split, assemble, channel_statistics, load_data, only_classes


@pytest.fixture
def animals() -> Dataset:
    images = torch.randint(0, 256, (300, 1, 3, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.arange(300) % 4
    images[:, 0, 0, 0] = labels.to(torch.uint8)
    return assemble("animals", Split(images, labels), class_names=("cat", "dog", "3", "horse"))


def test_images_keep_their_class_and_labels_follow_the_order(animals: Dataset) -> None:
    part = only_classes(animals, ("horse", "cat", "dog"))
    assert part.class_names == ("horse", "cat", "dog")
    for title in ("train", "validation", "test"):
        before, after = getattr(animals, title), getattr(part, title)
        kept = before.labels != 2
        assert torch.equal(after.images, before.images[kept])
        assert torch.equal(torch.tensor([3, 0, 1])[after.labels], before.labels[kept])


def test_statistics_are_those_of_what_is_left(animals: Dataset) -> None:
    part = only_classes(animals, ("dog", "horse"))
    assert (part.mean, part.std) == channel_statistics(part.train.images)
    assert part.mean != animals.mean
    assert part.bounds == animals.bounds


def test_a_name_comes_before_a_number(animals: Dataset) -> None:
    assert only_classes(animals, ("3", "0")).class_names == ("3", "cat")
    assert only_classes(animals, ("1", "2")).class_names == ("dog", "3")


def test_classes_that_are_joined_have_one_label(animals: Dataset) -> None:
    part = only_classes(animals, ("horse + cat", "dog+2"))
    assert part.class_names == ("horse+cat", "dog+3")
    for title in ("train", "validation", "test"):
        before, after = getattr(animals, title), getattr(part, title)
        assert torch.equal(after.images, before.images)
        assert torch.equal(after.labels, torch.tensor([0, 1, 1, 0])[before.labels])
    assert load_data("digits[0+1,5]").class_names == ("0+1", "5")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat", "dgo"), "animals has no class 'dgo': did you mean dog"),
        (("cat", "4"), "animals has no class '4'"),
        (("cat", "-1"), "animals has no class '-1'"),
        (("cat", ""), "animals has no class ''"),
        (("cat", "9" * 5000), "animals has no class '999"),
        (("cat",), "at least two different classes of animals are needed, got cat"),
        ((), "got none"),
        (("cat", "dog", "0"), "got 'cat' twice"),
        (("cat+dog", "3+dog"), "got 'dog' twice"),
        (("cat+dog+horse",), r"are needed, got cat\+dog\+horse"),
        (("cat+", "dog"), "animals has no class ''"),
    ],
)
def test_other_choices_are_refused(animals: Dataset, classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        only_classes(animals, classes)


def test_a_class_that_no_test_image_has_leaves_the_split_empty() -> None:
    images = torch.zeros(100, 1, 2, 2, dtype=torch.uint8)
    data = assemble("few", Split(images, torch.arange(100) % 4), test=Split(images[:9], torch.zeros(9).long()))
    with pytest.raises(InputError, match=r"the test split of few\[2,3\] has no images"):
        only_classes(data, ("2", "3"))


def test_any_data_can_be_followed_by_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", x=np.zeros((90, 5, 5), np.uint8), y=np.arange(90) % 3)
    (tmp_path / "subset_loaders.py").write_text(
        "import numpy\ndef mine():\n    file = numpy.load('mine.npz')\n    return file['x'], file['y']\n"
    )
    assert load_data("digits[7, 1]").name == "digits[7,1]"
    assert load_data("mine.npz[0,2]").class_names == ("0", "2")
    assert load_data("subset_loaders:mine[2,1]").class_names == ("2", "1")
    np.savez("odd[0,1].npz", x=np.zeros((90, 5, 5), np.uint8), y=np.arange(90) % 3)
    assert load_data("odd[0,1].npz").classes == 3  # a path that exists is a path


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("digits[1]", "at least two different classes of digits are needed, got 1"),
        ("digits[]", "digits has no class ''"),
        ("digits[1,11]", "digits has no class '11'"),
        ("digist[1,7]", "unknown data 'digist' .*did you mean digits"),
        ("digits[1,7", r"unknown data 'digits\[1,7'"),
        ("nowhere.npz[0,1]", "no data at nowhere.npz"),
    ],
)
def test_mistyped_texts_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_data(spec)


def test_two_digits_of_the_real_data(data_root: Path) -> None:
    data = load_data("mnist[1,7]", data_root)
    assert data.test.labels.bincount().tolist() == [1135, 1028]  # the published counts of ones and sevens
