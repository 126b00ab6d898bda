"""The certified counts contain the count of the exact eigenvalues; with nothing lost they are that count."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from corank.errors import InputError
from corank.linalg import FrequentDirections, count_energy, count_norm


def count(spectrum: Tensor, share: float, total: float) -> int:
    """The count itself, by its definition; cases within rounding of the threshold are not for this test."""
    partial = spectrum.cumsum(0)
    assume(float((partial - share * total).abs().min()) > 1e-9 * total)
    return int((partial < share * total).sum()) + 1


spectra = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30).map(
    lambda values: torch.tensor(sorted(values, reverse=True), dtype=torch.float64)
)
shares = st.floats(1e-4, 0.9)


@settings(max_examples=150, deadline=None)
@given(exact=spectra, epsilon=shares, shrinkage=st.floats(0, 50), known=st.integers(1, 30), data=st.data())
def test_energy_interval_contains_the_truth(
    exact: Tensor, epsilon: float, shrinkage: float, known: int, data: st.DataObject
) -> None:
    lowered = data.draw(st.lists(st.floats(0, 1), min_size=len(exact), max_size=len(exact)))
    within = (exact - shrinkage * torch.tensor(lowered, dtype=torch.float64)).clamp(min=0)
    certified = within.cummin(0).values[:known]
    assume(bool((certified + shrinkage >= exact[:known]).all()))
    total = float(exact.sum())
    truth = count(exact, 1 - epsilon, total)
    interval = count_energy(certified, shrinkage, total, epsilon)
    assert interval.low is not None
    assert interval.low <= truth
    assert interval.high is None or interval.low <= truth <= interval.high


@settings(max_examples=150, deadline=None)
@given(exact=spectra, epsilon=shares, shrinkage=st.floats(0, 50), leading=st.integers(1, 30), data=st.data())
def test_norm_interval_contains_the_truth(
    exact: Tensor, epsilon: float, shrinkage: float, leading: int, data: st.DataObject
) -> None:
    lowered = data.draw(st.lists(st.floats(0, 1), min_size=len(exact), max_size=len(exact)))
    within = (exact - shrinkage * torch.tensor(lowered, dtype=torch.float64)).clamp(min=0)
    certified = within.cummin(0).values
    assume(bool((certified + shrinkage >= exact).all()))
    rank = min(leading, len(exact))
    assume(float(certified[0]) > 0)
    norms = exact[:rank].cumsum(0).sqrt()
    assume(float((norms - (1 - epsilon) * norms[-1]).abs().min()) > 1e-9 * float(norms[-1]))
    truth = int((norms < (1 - epsilon) * norms[-1]).sum()) + 1
    interval = count_norm(certified, shrinkage, epsilon, leading=rank)
    assert interval.low is not None
    assert interval.high is not None
    assert 1 <= interval.low <= truth <= interval.high <= rank


@settings(max_examples=80, deadline=None)
@given(exact=spectra, epsilon=shares)
def test_exact_eigenvalues_give_the_exact_count(exact: Tensor, epsilon: float) -> None:
    total = float(exact.sum())
    by_energy = count_energy(exact, 0.0, total, epsilon)
    assert by_energy.low == by_energy.high == count(exact, 1 - epsilon, total)
    by_norm = count_norm(exact, 0.0, epsilon)
    assert by_norm.low == by_norm.high == count(exact, (1 - epsilon) ** 2, total)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), decay=st.floats(0.5, 1.0), size=st.integers(1, 12), epsilon=shares)
def test_counts_read_off_a_sketch_contain_the_truth(seed: int, decay: float, size: int, epsilon: float) -> None:
    chance = torch.Generator().manual_seed(seed)
    rows = torch.randn(80, 15, generator=chance, dtype=torch.float64) * decay ** torch.arange(15)
    sketch = FrequentDirections(size, 15, dtype=torch.float64).update(rows)
    assume(len(sketch.eigenvalues) > 0)  # at size 1 a shrink can have emptied it
    exact = torch.linalg.svdvals(rows).square()
    truth = count(exact, 1 - epsilon, sketch.energy)
    interval = count_energy(sketch.eigenvalues, sketch.shrinkage, sketch.energy, epsilon)
    assert interval.low is not None
    assert interval.low <= truth <= (interval.high or math.inf)
    known = len(sketch.eigenvalues)
    truth = count(exact[:known], (1 - epsilon) ** 2, float(exact[:known].sum()))
    interval = count_norm(sketch.eigenvalues, sketch.shrinkage, epsilon)
    assert interval.low is not None
    assert interval.low <= truth <= (interval.high or math.inf)


def test_what_the_others_leave_bounds_the_count_from_below() -> None:
    # Of 10 in all, the second is known to hold 4: the first holds at most 6, however large the shrinkage.
    interval = count_energy(torch.tensor([5.0, 4.0]), shrinkage=100.0, energy=10.0, epsilon=0.3)
    assert (interval.low, interval.high) == (2, 2)


def test_norm_interval_is_as_wide_as_the_certificate() -> None:
    # The eigenvalues may be (12, 1), of which the first holds 0.92, or (2, 2), of which it holds 0.5.
    interval = count_norm(torch.tensor([2.0, 1.0]), shrinkage=10.0, epsilon=0.05)
    assert (interval.low, interval.high) == (1, 2)


def test_unreached_thresholds_are_not_invented() -> None:
    interval = count_energy(torch.ones(4), shrinkage=0.5, energy=100.0, epsilon=0.05)
    assert (interval.low, interval.high) == (5, None)


def test_nothing_may_be_missing() -> None:
    spectrum = torch.tensor([0.1] * 10, dtype=torch.float64)
    assert count_energy(spectrum, 0.0, float(spectrum.sum()), epsilon=0.0).high == 10
    assert count_norm(spectrum, 0.0, epsilon=0.0).high == 10


def test_wrong_input_is_refused() -> None:
    spectrum = torch.tensor([2.0, 1.0])
    refused = [
        (lambda: count_energy(spectrum, 0.0, 3.0, 1.0), "epsilon must be at least 0 and below 1, got 1.0"),
        (lambda: count_energy(spectrum, 0.0, 0.0, 0.1), "energy must be positive and finite, got 0.0"),
        (
            lambda: count_energy(spectrum, -1.0, 3.0, 0.1),
            "shrinkage must be finite and not negative, got -1.0",
        ),
        (lambda: count_energy(spectrum.flip(0), 0.0, 3.0, 0.1), "got 2.0 at place 1"),
        (lambda: count_energy(torch.tensor([1.0, math.nan]), 0.0, 3.0, 0.1), "got nan at place 1"),
        (lambda: count_energy(spectrum[None], 0.0, 3.0, 0.1), r"got shape \(1, 2\)"),
        (lambda: count_norm(spectrum, 0.0, 0.1, leading=3), "between 1 and the 2 eigenvalues known, got 3"),
        (lambda: count_norm(torch.zeros(2), 0.0, 0.1), "must not all be zero"),
    ]
    for call, message in refused:
        with pytest.raises(InputError, match=message):
            call()
