from __future__ import annotations

import pytest
import torch
from torch import Tensor

from corank.attack.losses import LOSSES, cross_entropy, difference, logits_ratio, loss_named, margin, towards
from corank.errors import InputError


def logits(classes: int = 5) -> Tensor:
    return torch.randn(40, classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


CLASSES = torch.randint(5, (40,), generator=torch.Generator().manual_seed(1))


def test_the_cross_entropy_is_minus_the_logarithm_of_the_probability() -> None:
    expected = -logits().softmax(1).gather(1, CLASSES[:, None])[:, 0].log()
    assert torch.allclose(cross_entropy(logits(), CLASSES), expected)


@pytest.mark.parametrize("name", ["margin", "logits-ratio"])
def test_a_margin_is_positive_just_where_the_class_is_not_the_largest(name: str) -> None:
    found = loss_named(name)(logits(), CLASSES)
    assert torch.equal(found > 0, logits().argmax(1) != CLASSES)


def test_the_margin_is_the_largest_difference_to_another_class() -> None:
    pairs = [torch.stack([torch.full((40,), other), CLASSES], 1) for other in range(5)]
    differences = torch.stack([difference(logits(), pair) for pair in pairs], 1)
    expected = differences.scatter(1, CLASSES[:, None], -torch.inf).amax(1)
    assert torch.equal(margin(logits(), CLASSES), expected)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_logits_ratio_does_not_change_with_the_scale(classes: int) -> None:
    own = CLASSES % classes
    one, two = logits_ratio(logits(classes), own), logits_ratio(100 * logits(classes), own)
    assert torch.allclose(one, two, atol=1e-9)


def test_the_logits_ratio_is_that_of_the_outside_library() -> None:
    autopgd = pytest.importorskip("pyautoattack.autopgd_base")
    theirs = autopgd.APGDAttack.dlr_loss(None, logits(), CLASSES)
    assert torch.allclose(logits_ratio(logits(), CLASSES), theirs)


@pytest.mark.parametrize("name", list(LOSSES))
def test_towards_a_class_is_the_other_way(name: str) -> None:
    loss = loss_named(name)
    assert torch.equal(towards(loss)(logits(), CLASSES), -loss(logits(), CLASSES))


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="loss must be one of cross-entropy, margin, logits-ratio, got 'hinge'"):
        loss_named("hinge")
