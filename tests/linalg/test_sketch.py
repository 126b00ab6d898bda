"""The sketch's interface as its base keeps it: whoever writes a sketch gets checks and books for nothing."""

from collections.abc import Mapping
from typing import Self

import pytest
import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg import FrequentDirections, Sketch


class Everything(Sketch):
    """The plainest sketch: keeps the covariance whole."""

    covariance: Tensor | float = 0.0
    reads = 0

    def _absorb(self, rows: Tensor) -> None:
        self.covariance = self.covariance + rows.T @ rows

    def _take_in(self, other: Self) -> None:
        self.covariance = self.covariance + other.covariance

    def _factorise(self) -> tuple[Tensor, Tensor]:
        self.reads += 1
        values, vectors = torch.linalg.eigh(torch.as_tensor(self.covariance))
        return values.flip(0)[: self.size].clamp(min=0).sqrt().double(), vectors.T.flip(0)[: self.size]

    def _state(self) -> dict[str, Tensor]:
        return {"covariance": torch.as_tensor(self.covariance)}

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        self.covariance = state["covariance"]


def test_base_counts_rows_and_energy_in_float64() -> None:
    sketch = Everything(2, 3)
    ones = torch.ones(10, 3)
    sketch.update(ones).update(ones * 1e-6).merge(Everything(2, 3).update(ones))
    assert sketch.rows_seen == 30
    assert sketch.energy == pytest.approx(60 + 30 * float(torch.tensor(1e-6)) ** 2, rel=1e-15)


def test_reading_is_kept_until_the_next_change() -> None:
    sketch = Everything(2, 3).update(torch.eye(3))
    first = sketch.singular_values
    assert sketch.right_vectors.shape == (2, 3)
    assert sketch.reads == 1
    for change in (
        lambda: sketch.update(torch.eye(3)),
        lambda: sketch.merge(sketch),
        lambda: sketch.load_state_dict(Everything(2, 3).update(3 * torch.eye(3)).state_dict()),
    ):
        change()
        assert not torch.equal(sketch.singular_values, first)
        first = sketch.singular_values
    assert sketch.reads == 4


def test_eigenvalues_are_squares() -> None:
    sketch = Everything(3, 3).update(torch.diag(torch.tensor([3.0, 2.0, 1.0])))
    torch.testing.assert_close(sketch.eigenvalues, torch.tensor([9.0, 4.0, 1.0], dtype=torch.float64))


def test_sketches_of_different_kinds_do_not_merge() -> None:
    with pytest.raises(InputError, match="can merge only Everything, got FrequentDirections"):
        Everything(2, 3).merge(FrequentDirections(2, 3))
