"""The energy is that of float64, and bad rows are named."""

import pytest
import torch

from corank.errors import InputError
from corank.linalg import check_rows, energy_of


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (3, 200_000), (1000, 7)])
def test_energy_is_exact_in_float64(shape: tuple[int, int]) -> None:
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 1e-3 + 1
    assert energy_of(rows) == pytest.approx(float(rows.double().square().sum()), rel=1e-13)
    assert energy_of(rows.T) == pytest.approx(float(rows.double().square().sum()), rel=1e-13)


def test_energy_neither_overflows_nor_vanishes_in_float32() -> None:
    for scale in (1e30, 1e-30):
        rows = torch.full((4, 4), scale)
        assert energy_of(rows) == pytest.approx(16 * scale**2, rel=1e-6)


def test_messages_carry_the_name_and_the_value() -> None:
    with pytest.raises(InputError, match=r"points must be finite, got -inf in row 1 of this batch"):
        energy_of(torch.tensor([[0.0], [float("-inf")]]), "points")
    with pytest.raises(InputError, match=r"points must have shape \(batch, 2\), got \(1, 3\)"):
        check_rows(torch.zeros(1, 3), 2, "points")
    with pytest.raises(InputError, match=r"got torch\.complex64"):
        check_rows(torch.zeros(1, 2, dtype=torch.complex64), 2)
