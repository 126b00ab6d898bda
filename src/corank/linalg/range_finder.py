"""Randomised range finder: subspace iteration over passes, for rows that can be read again.

Each pass multiplies a basis Q of the leading right singular space by A^T A, and the next pass begins with the
orthonormalised products (Halko, Martinsson and Tropp 2011, "Finding structure with randomness", Algorithm 4.4).
What is read after a pass is the Nystrom approximation from its products (ibid., section 5.4), which is more
accurate than the Rayleigh-Ritz values of Q at no further pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.products import ProductSketch, orthonormal_rows
from corank.linalg.sketch import Sketch

_SAME = 1e-9  # relative: two sums in float64 of the same squares in another order


@final
class RandomisedRange(ProductSketch):
    """Like `Nystrom` in its first pass; each `next_pass` over the same rows sharpens it by a factor of A^T A.

    Directions whose eigenvalue is a tenth of another's lose another factor of a hundred of their weight with every
    pass. Two passes suffice for all but the slowest decay. Merge the sketches of all ranks at the end of each pass
    and go on from the merged one, so that all have the same basis.

    Example:
        >>> chance = torch.Generator().manual_seed(0)
        >>> rows = torch.randn(300, 40, generator=chance, dtype=torch.float64) / torch.arange(1, 41)
        >>> sketch = RandomisedRange(size=12, features=40, dtype=torch.float64)
        >>> once = sketch.update(rows).singular_values[:6]
        >>> twice = sketch.next_pass().update(rows).singular_values[:6]
        >>> exact = torch.linalg.svdvals(rows)[:6]
        >>> float((exact - twice).max()) < 0.1 * float((exact - once).max())
        True
    """

    _passes = 1
    _rows_before: int | None = None
    _energy_before = 0.0

    @property
    def passes(self) -> int:
        """Which pass over the rows this is, counted from 1."""
        return self._passes

    @torch.no_grad()
    def next_pass(self) -> Self:
        """Begins another pass: the same rows are to be given again, all of them, in any order and batches.

        Until then `rows_seen` and `energy` are 0 and nothing can be read.

        Raises:
            InputError: no rows yet, or a pass that saw other rows than the one before it.
        """
        if self.rows_seen == 0:
            raise InputError("another pass needs a first one, got no rows: update the sketch first")
        if self._rows_before is not None:
            same_energy = abs(self.energy - self._energy_before) <= _SAME * self._energy_before
            if self.rows_seen != self._rows_before or not same_energy:
                raise InputError(
                    f"every pass must see the same rows, got {self.rows_seen} of energy {self.energy:.6g} after "
                    f"{self._rows_before} of energy {self._energy_before:.6g}"
                )
        self._rows_before, self._energy_before = self.rows_seen, self.energy
        self._tests = orthonormal_rows(self._products)
        self._products = torch.zeros_like(self._products)
        self._passes += 1
        self._rows_seen, self._energy, self._factors, self._unit = 0, 0.0, None, 1.0
        return self

    def _check_fits(self, other: Sketch) -> None:
        super()._check_fits(other)
        assert isinstance(other, RandomisedRange)
        if other.passes != self.passes:
            raise InputError(f"merged sketches must be in the same pass, got {other.passes} for {self.passes}")
        if not torch.equal(other._tests.to(self._tests), self._tests):
            raise InputError("merged sketches must share their basis, got another: merge them before each next_pass()")

    def _state(self) -> dict[str, Tensor]:
        return super()._state() | {
            "tests": self._tests.clone(),
            "passes": torch.tensor(self._passes),
            "rows_before": torch.tensor(-1 if self._rows_before is None else self._rows_before),
            "energy_before": torch.tensor(self._energy_before, dtype=torch.float64),
        }

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        super()._restore(state)
        self._tests = state["tests"].to(self._tests, copy=True)
        self._passes = int(state["passes"])
        self._rows_before = None if state["rows_before"] < 0 else int(state["rows_before"])
        self._energy_before = float(state["energy_before"])
