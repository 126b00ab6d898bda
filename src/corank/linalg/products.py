"""What the one-pass Nystrom sketch and the randomised range finder share: `Y = A^T A Q` for a few test vectors Q.

Y is a sum over the rows, `Y += G^T (G Q)` for a batch G, so it does not depend on their order and two sketches
add up. It gives the Nystrom approximation `Y (Q^T Y)^+ Y^T`, which never exceeds A^T A. The stable way to its
eigenpairs follows Tropp, Yurtsever, Udell and Cevher 2017, "Fixed-rank approximation of a positive-semidefinite
matrix from streaming data", Algorithm 3. Q and Y are held transposed, a test vector a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.sketch import Factors, Sketch
from corank.linalg.small_gram import column_pieces, leading_factors
from corank.linalg.units import unit_for

_OWN_STREAM = 0x6A09E667  # test vectors must not be the very numbers that the caller's data were drawn from
_LARGEST_SEED = 2**63 - 1
_SAFE_EXPONENT = 20  # norms within 2^-20 .. 2^20: products of four of them fit into float32


class ProductSketch(Sketch):
    """A sketch that holds `A^T A Q`; a concrete one says how Q goes on from the random one that it begins with.

    Args:
        size: how many test vectors (k); at most `features` are used, and then the sketch is exact.
        features: the number of columns (n).
        seed: of the random test vectors; only sketches of the same seed merge.
        dtype: of Y and Q, float32 or float64; the factors are formed in float64.
        device: where they are held; the default device if not given. The random numbers do not depend on it.

    Raises:
        InputError: size or features below 1, a negative seed, or another dtype.
    """

    def __init__(
        self,
        size: int,
        features: int,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(size, features, dtype=dtype, device=device)
        if not 0 <= seed <= _LARGEST_SEED:
            raise InputError(f"seed must be between 0 and 2^63 - 1, got {seed}")
        self.seed = seed
        with torch.inference_mode(False), torch.no_grad():
            chance = torch.Generator().manual_seed(seed ^ _OWN_STREAM)
            gaussian = torch.randn(features, min(size, features), generator=chance, dtype=dtype)
            self._tests = orthonormal_rows(gaussian.T.to(self.device))
            self._products = torch.zeros_like(self._tests)
        self._unit = 1.0  # Y is the square of this power of two times what is held

    def _absorb(self, rows: Tensor) -> None:
        self._rescale()
        within, beside = 1.0, self._unit**-2
        if rows.dtype == torch.float64 and self.dtype == torch.float32:  # the range of its rows needs float64
            within, beside = 1 / self._unit, 1.0
        rows = _times(rows.to(self.device), within).to(self.dtype)
        seen = torch.mm(rows, self._tests.T)
        self._products.addmm_(_times(seen, beside).to(self.dtype).T, rows)

    def _check_fits(self, other: Sketch) -> None:
        super()._check_fits(other)
        assert isinstance(other, ProductSketch)
        if other.seed != self.seed:
            raise InputError(f"merged sketches must have the same seed, got {other.seed} for {self.seed}")

    def _take_in(self, other: Self) -> None:
        self._rescale()
        self._products += other._products.to(self._products) * (other._unit / self._unit) ** 2

    def _factorise(self) -> Factors:
        values, vectors = _nystrom_factors(self._products, self._tests)
        return values * self._unit, vectors

    def _rescale(self) -> None:
        unit = unit_for(self._energy, self._unit, _SAFE_EXPONENT)
        if unit != self._unit:
            self._products *= min((self._unit / unit) ** 2, 1.0)  # a smaller unit can follow only rows of zeros
            self._unit = unit

    def _state(self) -> dict[str, Tensor]:
        return {
            "products": self._products.clone(),
            "unit": torch.tensor(self._unit, dtype=torch.float64),
            "seed": torch.tensor(self.seed),
        }

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        if state["products"].dtype != self.dtype:
            raise InputError(f"state must hold products of {self.dtype}, got {state['products'].dtype}")
        if int(state["seed"]) != self.seed:
            raise InputError(f"state must be of a sketch with seed {self.seed}, got {int(state['seed'])}")
        self._products.copy_(state["products"])
        self._unit = float(state["unit"])


def orthonormal_rows(rows: Tensor) -> Tensor:
    """Orthonormal rows that span those given, of shape (k, n), k <= n; filled up where they are dependent.

    Example:
        >>> basis = orthonormal_rows(torch.tensor([[3.0, 4.0, 0.0], [6.0, 8.0, 0.0]]))
        >>> torch.allclose(basis @ basis.T, torch.eye(2), atol=1e-6)
        True
    """
    basis: Tensor = torch.linalg.qr(rows.T)[0]
    return basis.T.contiguous()


def _times(rows: Tensor, factor: float) -> Tensor:
    """Scaled in float64, whose range the factor may need; the rows themselves if it is 1."""
    return rows if factor == 1.0 else rows.to(torch.float64) * factor


def _nystrom_factors(products: Tensor, tests: Tensor) -> Factors:
    """Singular values and right vectors of A from `(A^T A Q)^T` and `Q^T`, both (k, n).

    The approximation of A^T A + shift I is factorised, and the shift taken off its eigenvalues; those that do not
    stand out of it are left out. The paper's shift is sqrt(n) times larger than ours, which is the rounding of the
    products: measured in float32 on eigenvalues i^-4, that costs a hundred times the accuracy and half the rank.
    """
    size = torch.linalg.vector_norm(products.to(torch.float64))
    if size == 0:
        return size.new_zeros(0), products.new_zeros(0, products.shape[1])
    shift = torch.finfo(products.dtype).eps * size
    core = torch.zeros(len(tests), len(tests), dtype=torch.float64, device=tests.device)
    for columns in column_pieces(tests.shape[1]):
        core.addmm_(tests[:, columns].to(torch.float64), products[:, columns].to(torch.float64).T)
    core = (core + core.T) / 2
    shift, factor = _factor(core, shift)
    root = torch.empty_like(products)
    for columns in column_pieces(tests.shape[1]):
        shifted = products[:, columns].to(torch.float64) + tests[:, columns].to(torch.float64) * shift
        root[:, columns] = torch.linalg.solve_triangular(factor, shifted, upper=False)
    values, vectors = leading_factors(root, limit=len(root))
    squares = values.square() - shift
    known = int((squares > shift).sum())
    return squares[:known].sqrt(), vectors[:known]


def _factor(core: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """The Cholesky factor of a matrix that is positive semidefinite but for rounding, and the shift that it took."""
    assert bool(torch.isfinite(core).all()), "units keep the products finite"
    identity = torch.eye(len(core), dtype=core.dtype, device=core.device)
    while True:
        factor, failed = torch.linalg.cholesky_ex(core + shift * identity)
        if not failed:
            return shift, factor
        shift = 10 * shift  # it ends: a shift beyond the norm makes any symmetric matrix positive definite
