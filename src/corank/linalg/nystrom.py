"""One-pass Nystrom: a sketch of A^T A by its products with random vectors, the fastest one here.

`Y = A^T A Omega` for a fixed orthonormal Omega, formed over any stream of rows in any order; its fixed-rank
approximation comes from Tropp, Yurtsever, Udell and Cevher 2017, "Fixed-rank approximation of a
positive-semidefinite matrix from streaming data", Algorithm 3. At 4 n k operations a row it costs half as much
as Frequent Directions of the same size and is better at equal cost where the spectrum decays slowly; its
error holds in expectation only, and no certificate comes with it.
"""

from __future__ import annotations

from typing import final

from corank.linalg.products import ProductSketch


@final
class Nystrom(ProductSketch):
    """The sketch `A^T A Omega` with k = `size` random test vectors; take twice to four times the rank wanted.

    With k test vectors, the expected error of the approximation in the nuclear norm is at most
    `(1 + r / (k - r - 1))` times the sum of all eigenvalues beyond the r-th, for every r < k - 1 (Tropp et al. 2017,
    Theorem 4.1, real case). Eigenvalues are never overestimated, but for rounding. Memory: 2 k n numbers.

    Example:
        >>> import torch
        >>> chance = torch.Generator().manual_seed(0)
        >>> rows = torch.randn(500, 20, generator=chance, dtype=torch.float64) * 0.5 ** torch.arange(20)
        >>> sketch = Nystrom(size=12, features=20, dtype=torch.float64).update(rows[:300]).update(rows[300:])
        >>> exact = torch.linalg.svdvals(rows)[:4]
        >>> torch.allclose(sketch.singular_values[:4], exact, rtol=0.02)
        True
    """
