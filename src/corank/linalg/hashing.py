"""Hashing sketch (CountSketch): every row is added, with a random sign, to one of a few buckets.

`S A` with S the s x m matrix of one random sign a column, at two operations a number of A, whatever s
(Charikar, Chen and Farach-Colton 2002; Clarkson and Woodruff 2013, "Low rank approximation and regression in
input sparsity time"; used to find activation subspaces by Daulbaev, "Reduced-order modelling of neural
networks", section 5.2.2). Bucket and sign come from a keyed hash of the row's number, so they need no memory
and are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, Self, final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.sketch import Factors, Sketch
from corank.linalg.small_gram import leading_factors
from corank.linalg.units import unit_for

_SAFE_EXPONENT = 60  # sums, not squares, are held in `dtype`
_ROWS_AT_ONCE = 64  # their signed copy stays near the core
_LARGEST_SEED = 2**63 - 1


class Numbering(NamedTuple):
    """So many row numbers, `first, first + stride, ...`."""

    first: int
    stride: int
    rows: int

    def meets(self, other: Numbering) -> bool:
        """Whether some row has a number in both, by the Chinese remainder theorem."""
        if not (self.rows and other.rows):
            return False
        common = math.gcd(self.stride, other.stride)
        steps, rest = divmod(other.first - self.first, common)
        if rest:
            return False
        period = other.stride // common
        meeting = self.first + self.stride * (steps * pow(self.stride // common, -1, period) % period)
        beginning = max(self.first, other.first)
        every = self.stride * period
        meeting += max(0, -((meeting - beginning) // every)) * every
        ends = (one.first + one.stride * (one.rows - 1) for one in (self, other))
        return meeting <= min(ends)


@final
class HashingSketch(Sketch):
    """The sketch `S A` of `size` buckets: unbiased, `E[(S A)^T (S A)] = A^T A`, the cheapest and the least accurate.

    `||A^T A - (S A)^T (S A)||_F` is at most `sqrt(2 / (size * p)) ||A||_F^2` with probability 1 - p.
    For the leading r directions take about `2 r^2` buckets; where they are fewer, the singular values of noise in the
    buckets add to those of A. Memory: size x n numbers.

    Rows are hashed by their number. Sketches to be merged need numbers of their own: give each the number of its first
    row (and the step between its rows), as `first_row=rank, stride=world_size` on rank-wise interleaved rows. Then the
    merged sketch is that of one process.

    Args:
        size: the number of buckets (s).
        features: the number of columns (n).
        seed: the key of the hash, at least 0; only sketches of the same seed merge.
        first_row: the number of the first row that this sketch is given.
        stride: the step from each row's number to that of the next.
        dtype: of the buckets, float32 or float64.
        device: where they are held; the default device if not given.

    Raises:
        InputError: size, features or stride below 1, a negative seed or first_row, or another dtype.

    Example:
        >>> rows = torch.eye(4, dtype=torch.float64).repeat(50, 1)
        >>> whole = HashingSketch(size=64, features=4, dtype=torch.float64).update(rows)
        >>> part = HashingSketch(size=64, features=4, first_row=150, dtype=torch.float64).update(rows[150:])
        >>> both = HashingSketch(size=64, features=4, dtype=torch.float64).update(rows[:150]).merge(part)
        >>> torch.allclose(both.singular_values, whole.singular_values)
        True
    """

    def __init__(
        self,
        size: int,
        features: int,
        *,
        seed: int = 0,
        first_row: int = 0,
        stride: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(size, features, dtype=dtype, device=device)
        if stride < 1:
            raise InputError(f"stride must be at least 1, got {stride}")
        for name, value in (("seed", seed), ("first_row", first_row)):
            if not 0 <= value <= _LARGEST_SEED:
                raise InputError(f"{name} must be between 0 and 2^63 - 1, got {value}")
        self.seed = seed
        self._numberings = [Numbering(first_row, stride, 0)]  # the first is this sketch's own
        with torch.inference_mode(False):
            self._buckets = torch.zeros(size, features, dtype=dtype, device=self.device)
        self._unit = 1.0

    def _absorb(self, rows: Tensor) -> None:
        self._rescale()
        own = self._numberings[0]
        numbers = own.first + own.stride * torch.arange(own.rows, own.rows + len(rows))
        buckets, signs = (found.to(self.device) for found in hash_rows(numbers, self.seed, self.size))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = slice(start, start + _ROWS_AT_ONCE)
            values = rows[some].to(self.device)
            if self._unit != 1.0:
                values = values.to(torch.float64) / self._unit
            self._buckets.index_add_(0, buckets[some], values.to(self.dtype) * signs[some, None].to(self.dtype))
        self._numberings[0] = own._replace(rows=own.rows + len(rows))

    def _check_fits(self, other: Sketch) -> None:
        super()._check_fits(other)
        assert isinstance(other, HashingSketch)
        if other.seed != self.seed:
            raise InputError(f"merged sketches must have the same seed, got {other.seed} for {self.seed}")
        for one in self._numberings:
            for another in other._numberings:
                if one.meets(another):
                    raise InputError(
                        f"merged sketches must number their rows differently, got rows from {another.first} and from "
                        f"{one.first} that share numbers: give each its own first_row (and stride)"
                    )

    def _take_in(self, other: Self) -> None:
        self._rescale()
        self._buckets += other._buckets.to(self._buckets) * (other._unit / self._unit)
        self._numberings += [numbering for numbering in other._numberings if numbering.rows]

    def _factorise(self) -> Factors:
        values, vectors = leading_factors(self._buckets, limit=min(self.size, self.features))
        return values * self._unit, vectors

    def _rescale(self) -> None:
        unit = unit_for(self._energy, self._unit, _SAFE_EXPONENT)
        if unit != self._unit:
            self._buckets *= min(self._unit / unit, 1.0)  # a smaller unit can follow only rows of zeros
            self._unit = unit

    def _state(self) -> dict[str, Tensor]:
        return {
            "buckets": self._buckets.clone(),
            "unit": torch.tensor(self._unit, dtype=torch.float64),
            "seed": torch.tensor(self.seed),
            "numberings": torch.tensor(self._numberings),
        }

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        if state["buckets"].dtype != self.dtype:
            raise InputError(f"state must hold buckets of {self.dtype}, got {state['buckets'].dtype}")
        if int(state["seed"]) != self.seed:
            raise InputError(f"state must be of a sketch with seed {self.seed}, got {int(state['seed'])}")
        self._buckets.copy_(state["buckets"])
        self._unit = float(state["unit"])
        self._numberings = [Numbering(*numbers) for numbers in state["numberings"].tolist()]


def hash_rows(numbers: Tensor, seed: int, buckets: int) -> tuple[Tensor, Tensor]:
    """Bucket (0 .. buckets - 1) and sign (-1 or 1) of each row number, by a keyed 64-bit mixing function.

    The mixing is that of Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".

    Args:
        numbers: int64, not negative.
        seed: the key.
        buckets: at most 2^31.

    Example:
        >>> places, signs = hash_rows(torch.arange(8000), seed=1, buckets=2)
        >>> bool((places.bincount() - 4000).abs().max() < 200), abs(int(signs.sum())) < 400
        (True, True)
    """
    mixed = _mixed(numbers ^ _mixed(torch.tensor(seed)))
    upper = _shifted(mixed, 33)
    return upper * buckets >> 31, (mixed & 1) * 2 - 1


def _mixed(numbers: Tensor) -> Tensor:
    numbers = numbers + _signed(0x9E3779B97F4A7C15)  # arithmetic of int64 wraps round, as the function needs
    numbers = (numbers ^ _shifted(numbers, 30)) * _signed(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ _shifted(numbers, 27)) * _signed(0x94D049BB133111EB)
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: Tensor, places: int) -> Tensor:
    """A shift to the right that fills up with zeros."""
    return (numbers >> places) & ((1 << (64 - places)) - 1)


def _signed(constant: int) -> int:
    return constant - (1 << 64) if constant >= 1 << 63 else constant
