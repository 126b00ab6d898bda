from __future__ import annotations

import math

import pytest
import torch

from corank.errors import InputError
from corank.measure.heldout_gram import HeldoutGram
from corank.measure.observing import Observed
from corank.network import Point

from .by_hand import normal

# relative to the largest inner product; float32 sums n = 3000 numbers a product, in blocks
ROUNDING = {torch.float64: 1e-13, torch.float32: 2e-6, torch.bfloat16: 2e-6}


def shifted(dtype: torch.dtype, samples: int = 300, features: int = 3000) -> torch.Tensor:
    """Samples with a mean that is larger than their spread, of more than one block of rows and of columns."""
    return (normal(samples, features) + 5).to(dtype)


@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("batch", [300, 64, 1])
def test_it_holds_all_inner_products_however_the_samples_come(dtype: torch.dtype, batch: int) -> None:
    rows = shifted(dtype)
    gram, exact = HeldoutGram.of(rows.split(batch)), rows.double()
    centred = exact - exact.mean(0)
    for found, expected in ((gram.centred, centred @ centred.T), (gram.uncentred, exact @ exact.T)):
        torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING[dtype] * float(expected.max()))
        assert torch.equal(found, found.T)
    assert gram.width == 3000


@pytest.mark.parametrize(("samples", "features", "kept"), [(40, 7, 7), (40, 500, 39), (40, 40, 39), (1, 9, 0)])
def test_coordinates_keep_every_distance_in_as_few_numbers_as_can_be(samples: int, features: int, kept: int) -> None:
    rows = normal(samples, features) * 3 + 1
    found = HeldoutGram.of([rows]).coordinates
    assert found.shape == (samples, kept)
    torch.testing.assert_close(torch.cdist(found, found), torch.cdist(rows, rows), atol=1e-5, rtol=0)
    covariance = found.T @ found
    torch.testing.assert_close(covariance, torch.diag(covariance.diagonal()), atol=1e-9, rtol=0)
    assert torch.equal(covariance.diagonal().sort(descending=True).values, covariance.diagonal())


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_numbers_whose_squares_float32_cannot_hold_are_no_obstacle(scale: float) -> None:
    rows = normal(20, 30)
    gram = HeldoutGram.of([(rows * scale).float()])
    centred = rows - rows.mean(0)
    torch.testing.assert_close(gram.centred / scale**2, centred @ centred.T, rtol=1e-4, atol=1e-4)


def test_equal_samples_have_no_coordinates() -> None:
    assert HeldoutGram.of([torch.ones(4, 3)]).coordinates.shape == (4, 0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match="finite"):
        HeldoutGram.of([torch.ones(2, 3), torch.tensor([[0.0, wrong, 0.0]])])


def observed(*batches: torch.Tensor, samples: tuple[int, ...]) -> Observed:
    layer = Observed(point=Point(label="body"), features=2, layout="", classes=2)
    layer.heldout.extend(batches)
    layer.heldout_labels.extend(torch.zeros(count).long() for count in samples)
    return layer


def test_the_tokens_of_a_sample_are_joined() -> None:
    tokens = normal(5, 3, 2)
    layer = observed(tokens[:4].reshape(12, 2), tokens[4:].reshape(3, 2), samples=(4, 1))
    torch.testing.assert_close(layer.heldout_gram.uncentred, tokens.flatten(1) @ tokens.flatten(1).T)
    assert layer.heldout_gram.width == 6
    assert layer.heldout_gram is layer.heldout_gram  # computed once


def test_samples_of_unequal_length_and_no_samples_are_refused() -> None:
    with pytest.raises(InputError, match="got 2 and 4 features"):
        _ = observed(torch.ones(4, 2), torch.ones(4, 2), samples=(2, 4)).heldout_gram
    with pytest.raises(InputError, match="no sample was held out"):
        _ = observed(samples=()).heldout_gram
