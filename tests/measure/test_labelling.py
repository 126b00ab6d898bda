"""The four functions of the logits: their values, the distributions they draw from, and what shares of a batch see."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch.nn import functional

from corank.errors import InputError
from corank.measure.labelling import Labelling, Losses, check_labels

CHANCE = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 4, generator=CHANCE, dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])
EVERYTHING = slice(None)


def loss(labelling: Labelling, seed: int = 0) -> torch.Tensor:
    return Losses(labelling, seed).for_batch(LABELS, 4)(EVERYTHING)(LOGITS)


def test_true_labels_are_those_given() -> None:
    expected = functional.cross_entropy(LOGITS, LABELS, reduction="none")
    torch.testing.assert_close(loss("true"), expected)


def test_predicted_labels_are_the_likeliest() -> None:
    torch.testing.assert_close(loss("predicted"), -LOGITS.log_softmax(1).amax(1))


def test_drawn_labels_follow_the_softmax() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64).expand(20_000, 3)
    drawn = Losses("sampled", 1).for_batch(torch.zeros(20_000, dtype=torch.int64), 3)(EVERYTHING)(logits)
    probabilities = logits[0].softmax(0)
    for probability in probabilities:
        share = float(torch.isclose(drawn, -probability.log()).double().mean())
        # five standard deviations of a share of 20,000
        assert abs(share - float(probability)) < 5 * (0.25 / 20_000) ** 0.5


def test_a_class_without_probability_is_never_drawn() -> None:
    logits = torch.tensor([[-1e9, 0.0, -1e9]]).expand(1000, 3)
    drawn = Losses("sampled").for_batch(torch.zeros(1000, dtype=torch.int64), 3)(EVERYTHING)(logits)
    assert drawn.abs().max() == 0


def test_combinations_of_logits_give_the_mean_square_of_the_jacobian() -> None:
    """Over the signs s, `E[(J^T s)(J^T s)^T] = J^T J`."""
    jacobian = torch.randn(3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    count = 40_000
    logits = torch.zeros(count, 3, dtype=torch.float64, requires_grad=True)
    Losses("logits").for_batch(torch.zeros(count, dtype=torch.int64), 3)(EVERYTHING)(logits).sum().backward()
    assert logits.grad is not None
    assert set(logits.grad.unique().tolist()) == {-1.0, 1.0}
    gradients = logits.grad @ jacobian
    covariance = gradients.T @ gradients / count
    torch.testing.assert_close(covariance, jacobian.T @ jacobian, rtol=0, atol=0.15)


@pytest.mark.parametrize("labelling", get_args(Labelling))
def test_parts_of_a_batch_have_the_losses_of_the_whole(labelling: Labelling) -> None:
    whole = loss(labelling)
    drawn = Losses(labelling).for_batch(LABELS, 4)
    parts = [drawn(torch.tensor(part))(LOGITS[part]) for part in ([0, 1], [2, 3, 4], [5])]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("labelling", ["sampled", "logits"])
def test_chance_follows_the_seed_alone(labelling: Labelling) -> None:
    torch.manual_seed(1)
    first = loss(labelling, 7)
    torch.manual_seed(2)
    assert torch.equal(first, loss(labelling, 7))
    assert not torch.equal(first, loss(labelling, 8))


def test_an_unknown_labelling_is_refused() -> None:
    with pytest.raises(InputError, match="labels must be one of true, predicted, sampled, logits, got 'truth'"):
        Losses("truth")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (torch.tensor([0.5]), "whole numbers"),
        (torch.tensor([[1]]), "shape"),
        (torch.tensor([4]), "label 4 is outside 0 .. 3"),
        (torch.tensor([-1]), "label -1"),
    ],
)
def test_labels_that_name_no_class_are_refused(labels: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        check_labels(labels, 4)
