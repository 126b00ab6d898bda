from __future__ import annotations

import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from corank.errors import InputError
from corank.linalg import factors_of_products, lower_tail_bound, products_of_factors


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(share=st.floats(0.01, 0.99), dimension=st.integers(1, 200))
def test_the_tail_is_below_its_bound(share: float, dimension: int) -> None:
    """Lemma 2, against the exact distribution."""
    bound = lower_tail_bound(share, dimension)
    assert scipy.stats.chi2.cdf(share * dimension, dimension) <= bound <= 1
    assert bound == pytest.approx((share * math.exp(1 - share)) ** (dimension / 2))


def test_the_factor_belongs_to_the_product() -> None:
    factors = factors_of_products([3, 5, 8], 4, chance(0))
    again = chance(0)
    first, second = (torch.randn(4, *shape, dtype=torch.float64, generator=again) for shape in ((5, 3), (8, 5)))
    product = second @ first
    assert torch.allclose(factors.mT @ factors, product.mT @ product)
    assert bool((factors.tril(-1) == 0).all())
    assert bool((factors.diagonal(dim1=1, dim2=2) > 0).all())


@pytest.mark.parametrize("sizes", [[3, 3], [3, 6], [4, 5, 9], [2, 2, 2, 4]])
def test_both_ways_have_the_same_distribution(sizes: list[int]) -> None:
    """Lemma 3, every entry by the test of Kolmogorov and Smirnov, and products of entries by their means."""
    one, other = factors_of_products(sizes, 3000, chance(1)), products_of_factors(sizes, 3000, chance(2))
    rows, columns = torch.triu_indices(sizes[0], sizes[0])
    p_values = [
        scipy.stats.ks_2samp(one[:, i, j].numpy(), other[:, i, j].numpy()).pvalue
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    assert min(p_values) * len(p_values) > 0.01
    squares = [(factors.mT @ factors).flatten(1) for factors in (one, other)]
    means = [values.mean(0) for values in squares]
    errors = torch.stack([values.var(0) / len(values) for values in squares]).sum(0).sqrt()
    assert float(((means[0] - means[1]).abs() / errors).max()) < 4.5


def test_other_degrees_would_be_noticed() -> None:
    """The same test with the rows of one matrix wrong by two."""
    one, other = factors_of_products([3, 5, 8], 3000, chance(1)), products_of_factors([3, 5, 10], 3000, chance(2))
    assert scipy.stats.ks_2samp(one[:, 0, 0].numpy(), other[:, 0, 0].numpy()).pvalue < 1e-6


def test_wrong_input_is_refused() -> None:
    for sizes in ([3], [3, 2], [0, 2]):
        with pytest.raises(InputError, match="sizes must be"):
            factors_of_products(sizes, 1)
    for share in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match="share must be above 0 and below 1"):
            lower_tail_bound(share, 3)
