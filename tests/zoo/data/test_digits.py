"""The digits are the published ones, in bytes, with three disjoint splits."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits as original

from corank.zoo.data import load_digits


def test_the_digits_are_all_there_and_go_back_to_their_grey_values() -> None:
    data = load_digits()
    splits = (data.train, data.validation, data.test)
    found = torch.cat([split.images for split in splits]).flatten(1)
    labels = torch.cat([split.labels for split in splits])
    assert found.dtype == torch.uint8
    grey, digit = (torch.from_numpy(array) for array in original(return_X_y=True))
    rows = sorted([*row.tolist(), int(label)] for row, label in zip(found * 16.0 / 255, labels, strict=True))
    wanted = sorted([*row.tolist(), int(label)] for row, label in zip(grey, digit, strict=True))
    assert torch.tensor(rows).round().tolist() == wanted
    assert found.max() == 255


def test_every_digit_is_in_every_split() -> None:
    data = load_digits()
    for split in (data.train, data.validation, data.test):
        assert sorted(set(split.labels.tolist())) == list(range(10))
