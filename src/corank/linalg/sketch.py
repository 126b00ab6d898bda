"""The one interface of all row sketches: a small summary of a tall matrix A whose rows arrive in batches.

A sketch answers for the leading singular values and right singular vectors of A (m x n) while it holds O(l n)
numbers. The base checks what comes in and counts rows and energy itself, so that no sketch keeps its own
books; a concrete sketch says how it absorbs rows, how it takes in another sketch, and how it is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.rows import check_rows, energy_of

Factors = tuple[Tensor, Tensor]


class Sketch(ABC):
    """A streaming summary of the rows of a matrix A with `features` columns.

    Args:
        size: how many directions are kept (l).
        features: the number of columns (n).
        dtype: of the rows held; float32 or float64. Singular values and energy are float64 in either case.
        device: where the rows are held; the default device if not given.

    Raises:
        InputError: size or features below 1, or another dtype.
    """

    def __init__(
        self,
        size: int,
        features: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        for name, value in (("size", size), ("features", features)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        if dtype not in (torch.float32, torch.float64):
            raise InputError(f"dtype of a sketch must be torch.float32 or torch.float64, got {dtype}")
        self.size = size
        self.features = features
        self.dtype = dtype
        self.device = torch.empty(0, device=device).device
        self._rows_seen = 0
        self._energy = 0.0
        self._factors: Factors | None = None

    @property
    def rows_seen(self) -> int:
        """How many rows came in (m), in this sketch and in all that were merged into it."""
        return self._rows_seen

    @property
    def energy(self) -> float:
        """The exact trace of A^T A, that is ||A||_F^2, summed in float64."""
        return self._energy

    @torch.no_grad()
    def update(self, rows: Tensor) -> Self:
        """Takes in a batch of rows of shape (B, features), of any floating dtype; B may be 0.

        Raises:
            InputError: another shape, or a number that is not finite. The sketch is then as it was before.
        """
        rows = check_rows(rows, self.features)
        if len(rows):
            self._energy += energy_of(rows)
            self._rows_seen += len(rows)
            self._factors = None
            self._absorb(rows)
        return self

    @torch.no_grad()
    def merge(self, other: Sketch) -> Self:
        """Takes in another sketch of the same kind, size and width, which stays as it is.

        Raises:
            InputError: a sketch that does not fit this one.
        """
        self._check_fits(other)
        self._energy += other._energy
        self._rows_seen += other._rows_seen
        self._factors = None
        assert isinstance(other, type(self))
        self._take_in(other)
        return self

    @property
    def singular_values(self) -> Tensor:
        """Estimates of A's leading singular values: shape (k,), descending, float64, k <= size.

        Directions without energy above the rounding of the sketch are left out, so k is the numerical rank
        where that is below `size`.
        """
        return self._read()[0]

    @property
    def right_vectors(self) -> Tensor:
        """Orthonormal rows of shape (k, features) in the order of `singular_values`; not to be written."""
        return self._read()[1]

    @property
    def eigenvalues(self) -> Tensor:
        """The squares of `singular_values`, estimates of the eigenvalues of A^T A (over m: of its mean)."""
        return self.singular_values.square()

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the sketch holds, as named tensors."""
        books = {
            "shape": torch.tensor([self.size, self.features]),
            "rows_seen": torch.tensor(self._rows_seen),
            "energy": torch.tensor(self._energy, dtype=torch.float64),
        }
        return books | self._state()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> Self:
        """Becomes, bit for bit, the sketch that `state_dict` was taken from.

        Raises:
            InputError: the state of another kind, size, width or dtype of sketch.
        """
        if set(state) != set(self.state_dict()):
            raise InputError(f"not the state of a {type(self).__name__}: got the entries {sorted(state)}")
        if state["shape"].tolist() != [self.size, self.features]:
            size, features = state["shape"].tolist()
            raise InputError(
                f"state must be of size {self.size} and {self.features} features, got {size} and {features}"
            )
        self._restore(state)
        self._rows_seen = int(state["rows_seen"])
        self._energy = float(state["energy"])
        self._factors = None
        return self

    def _read(self) -> Factors:
        if self._factors is None:
            with torch.no_grad():
                self._factors = self._factorise()
        return self._factors

    def _check_fits(self, other: Sketch) -> None:
        """Raises InputError where a sketch cannot be merged; a kind of sketch with more conditions adds them."""
        if type(other) is not type(self):
            raise InputError(f"can merge only {type(self).__name__}, got {type(other).__name__}")
        if (other.size, other.features) != (self.size, self.features):
            raise InputError(
                f"merged sketches must agree in size and features, got ({other.size}, {other.features}) "
                f"for ({self.size}, {self.features})"
            )

    @abstractmethod
    def _absorb(self, rows: Tensor) -> None:
        """Takes in checked rows, B >= 1, on any device; `energy` counts them already."""

    @abstractmethod
    def _take_in(self, other: Self) -> None:
        """Takes in a sketch that fits and may be this very object; `energy` counts it already."""

    @abstractmethod
    def _factorise(self) -> Factors:
        """Singular values and right vectors as the properties promise them; changes nothing."""

    @abstractmethod
    def _state(self) -> dict[str, Tensor]:
        """Copies of what this kind of sketch holds beyond the base's books."""

    @abstractmethod
    def _restore(self, state: Mapping[str, Tensor]) -> None:
        """Sets what `_state` gave, or raises InputError before anything is changed."""
