from __future__ import annotations

import pytest
import torch

from corank.errors import InputError
from corank.measure import Pairs, nearest_pairs

X = torch.tensor([[[0.0, 0.0]], [[0.0, 2.0]], [[3.0, 0.0]]])
Y = torch.tensor([0, 1, 2])
DATA = [(X[:2], Y[:2]), (X[2:], Y[2:])]


def test_end_points_keep_the_shape_of_images() -> None:
    pairs = nearest_pairs(X, Y, DATA)
    assert torch.equal(pairs.ends, X[[1, 0, 0]])
    assert (pairs.end_classes.tolist(), len(pairs)) == ([1, 0, 0], 3)
    towards = nearest_pairs(X[:2], Y[:2], DATA, target=2)
    assert torch.equal(towards.ends, X[[2, 2]])


def test_wrong_pairs_are_refused() -> None:
    given = {"starts": X[:2], "ends": X[1:], "start_classes": Y[:2], "end_classes": Y[1:]}
    for wrong, words in [
        ({"ends": X[:1]}, "of one shape"),
        ({"starts": X[:2].long()}, "floating point"),
        ({"start_classes": Y[:2].float()}, "start_classes must be"),
        ({"end_classes": Y}, r"end_classes must be \(2,\)"),
        ({"starts": X[:2] / 0}, "starts must be finite, that of pair 0"),
        ({"end_classes": Y[:2]}, "both ends of pair 0 are of class 0"),
        ({"ends": X[:2] + torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]])}, "input 1 is the same in the classes 1 and 2"),
        ({name: tensor[:0] for name, tensor in given.items()}, "at least one pair"),
    ]:
        with pytest.raises(InputError, match=words):
            Pairs(**{**given, **wrong})


def test_data_that_give_no_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="no example of another class than 0"):
        nearest_pairs(X, torch.zeros_like(Y), [(X, torch.zeros_like(Y))])
    with pytest.raises(InputError, match="input 0 is the same in the classes 0 and 4"):
        nearest_pairs(X, Y, [*DATA, (X, Y + 4)])
    with pytest.raises(InputError, match="image 1 is of the target class 1"):
        nearest_pairs(X, Y, DATA, target=1)
    with pytest.raises(InputError, match="images must be"):
        nearest_pairs(X, Y[:2], DATA)
    with pytest.raises(InputError, match="batch 1"):
        nearest_pairs(X, Y, [(X, Y), (X, Y[:1])])


def test_images_out_of_bounds_are_named() -> None:
    pairs = nearest_pairs(X, Y, DATA)
    pairs.check_bounds(0, 3)
    with pytest.raises(InputError, match=r"\[0, 1\].*pair 1 in starts reach from 0 to 2"):
        pairs.check_bounds(0, 1)
