"""A data set with some of its classes, as the papers take two digits or one kind of photograph."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import torch

from corank.errors import InputError, near
from corank.zoo.data.dataset import Dataset, Split, channel_statistics

_SUBSET = re.compile(r"(?P<data>[^\[\]]+)\[(?P<classes>[^\[\]]*)\]")


def split_spec(spec: str) -> tuple[str, tuple[str, ...]] | None:
    """The data and the classes of a text `data[class,class]`; None where it has another form.

    Example:
        >>> split_spec("mnist[1, 7]"), split_spec("mnist")
        (('mnist', ('1', '7')), None)
    """
    found = _SUBSET.fullmatch(spec)
    if found is None:
        return None
    return found["data"], tuple(name.strip() for name in found["classes"].split(","))


def only_classes(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The images of some classes, relabelled in the order given; mean and deviation are those of what is left.

    Args:
        dataset: where they are taken from; its bounds are kept.
        classes: names, or the numbers of the labels where no class has that name; `a+b` makes one class of two.

    Raises:
        InputError: fewer than two classes, the same one twice, one that is not there, or a split that is left empty.

    Example:
        >>> from corank.zoo.data.digits import load_digits
        >>> data = only_classes(load_digits(), ("7", "1"))
        >>> data.name, data.class_names, data.train.labels.unique().tolist()
        ('digits[7,1]', ('7', '1'), [0, 1])
        >>> only_classes(load_digits(), ("0+1+2+3+4", "5+6+7+8+9")).class_names
        ('0+1+2+3+4', '5+6+7+8+9')
    """
    chosen = [_labels_of(dataset, name) for name in classes]
    every = [label for labels in chosen for label in labels]
    twice = next((dataset.class_names[label] for label in every if every.count(label) > 1), None)
    if len(chosen) < 2 or twice is not None:
        came = f"{twice!r} twice" if twice is not None else (", ".join(classes) or "none")
        raise InputError(f"at least two different classes of {dataset.name} are needed, got {came}")
    names = tuple("+".join(dataset.class_names[label] for label in labels) for labels in chosen)
    train, validation, test = (_relabelled(part, chosen) for part in (dataset.train, dataset.validation, dataset.test))
    name = f"{dataset.name}[{','.join(names)}]"
    if not len(train):
        raise InputError(f"the train split of {name} has no images: choose other classes")
    mean, std = channel_statistics(train.images)
    return replace(
        dataset, name=name, train=train, validation=validation, test=test, class_names=names, mean=mean, std=std
    )


def label_of(dataset: Dataset, name: str) -> int:
    """The label of a class by its name, or by its number where no class has that name.

    Raises:
        InputError: there is no such class.
    """
    numbers = [str(label) for label in range(dataset.classes)]
    for names in (dataset.class_names, numbers):
        if name in names:
            return names.index(name)
    raise InputError(f"{dataset.name} has no class {name!r}: {near(name, dataset.class_names)}")


def _labels_of(dataset: Dataset, name: str) -> list[int]:
    """The label of a class, or those of the classes that are to be one."""
    return [label_of(dataset, part.strip()) for part in ([name] if name in dataset.class_names else name.split("+"))]


def _relabelled(split: Split, chosen: list[list[int]]) -> Split:
    largest = max(int(split.labels.max()), *(label for labels in chosen for label in labels))
    place = torch.full((largest + 1,), -1)
    for new, joined in enumerate(chosen):
        place[joined] = new
    labels = place[split.labels]
    kept = labels >= 0
    return Split(split.images[kept], labels[kept])
