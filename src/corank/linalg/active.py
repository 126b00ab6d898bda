"""How many leading directions carry all but a share epsilon: counts certified from a sketch.

A sketch knows each eigenvalue of A^T A only as `s_j <= lambda_j <= s_j + Delta`, and their sum T exactly.
Both criteria of Cui et al. 2020, "Active Subspace of Neural Networks" (energy: Definition 3.1; norm: eq.
3.9), ask whether the leading i eigenvalues reach a share; the best and the worst case of that share within
the certificate give a range that contains the count of the exact eigenvalues.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from corank.errors import InputError
from corank.result import Interval

_ROUNDING = 1e-12  # shares are compared up to the rounding of float64 sums


def count_energy(eigenvalues: Tensor, shrinkage: float, energy: float, epsilon: float) -> Interval:
    """The smallest i with `lambda_1 + ... + lambda_i >= (1 - epsilon) T`, as a certified interval.

    From below, the leading i carry at least `s_1 + ... + s_i`. From above, they carry at most
    `s_1 + ... + s_i + i Delta`, and at most what the others leave, `T - (s_{i+1} + ... + s_k)`. The first i
    at which the lower sum reaches the threshold is the high end, the first at which the smaller of the two
    upper ones does is the low end. Where k directions cannot reach it even in the best case, low is k + 1;
    where they do not reach it in the worst case, high is None.

    Args:
        eigenvalues: s, shape (k,), descending, not negative: the leading k of the sketch.
        shrinkage: Delta; 0 for exact eigenvalues.
        energy: T, the exact sum of all eigenvalues.
        epsilon: the share that may be missing, 0 <= epsilon < 1.

    Raises:
        InputError: eigenvalues that are not descending and not negative, or numbers out of range.

    Example:
        >>> spectrum = torch.tensor([8.0, 4.0, 2.0, 1.0, 1.0])
        >>> str(count_energy(spectrum, shrinkage=0.0, energy=16.0, epsilon=0.1))
        '4'
        >>> str(count_energy(spectrum - 0.5, shrinkage=0.5, energy=16.0, epsilon=0.2))
        '3-4'
        >>> str(count_energy(spectrum[:2], shrinkage=0.0, energy=16.0, epsilon=0.1))
        '>= 3'
    """
    known = _checked(eigenvalues, shrinkage, epsilon)
    if not (energy > 0 and math.isfinite(energy)):
        raise InputError(f"energy must be positive and finite, got {energy}: every row is zero")
    at_least = known.cumsum(0)
    others = known.sum() - at_least
    numbers = torch.arange(1, len(known) + 1, dtype=torch.float64)
    at_most = torch.minimum(at_least + numbers * shrinkage, energy - others)
    threshold = (1 - epsilon) * (1 - _ROUNDING) * energy
    low, high = _first(at_most >= threshold), _first(at_least >= threshold)
    return Interval(low if low is not None else len(known) + 1, high)


def count_norm(eigenvalues: Tensor, shrinkage: float, epsilon: float, *, leading: int | None = None) -> Interval:
    """The smallest i with `|sigma_1..sigma_i| / |sigma_1..sigma_r| >= 1 - epsilon`, as a certified interval.

    With H = `lambda_1 + ... + lambda_i` and R = `lambda_{i+1} + ... + lambda_r` the criterion reads
    `H / (H + R) >= (1 - epsilon)^2`: it is the energy criterion over the truncated sum. The share rises with
    H and falls with R, and these two have no eigenvalue in common. With S_i the sum of the first i s_j, H
    lies in `[S_i, S_i + i Delta]` and R in `[S_r - S_i, S_r - S_i + (r - i) Delta]`, so the share is at most
    `(S_i + i Delta) / (S_r + i Delta)` and at least `S_i / (S_r + (r - i) Delta)`. The first i whose largest
    share reaches the threshold is the low end, the first whose smallest does is the high end. At i = r the
    share is 1, so both exist. (The corners ignore that eigenvalues descend: the interval may be wider than
    need be, never narrower.)

    Args:
        eigenvalues: s, shape (k,), descending, not negative: the leading k of the sketch.
        shrinkage: Delta; 0 for exact eigenvalues.
        epsilon: the share of the norm that may be missing, 0 <= epsilon < 1.
        leading: r, the number of eigenvalues in the denominator, 1 <= r <= k; k if not given.

    Raises:
        InputError: eigenvalues that are not descending and not negative or all zero, or numbers out of range.

    Example:
        >>> spectrum = torch.tensor([8.0, 4.0, 2.0, 1.0, 1.0])
        >>> str(count_norm(spectrum, shrinkage=0.0, epsilon=0.1))
        '3'
        >>> str(count_norm(spectrum - 0.5, shrinkage=0.5, epsilon=0.1))
        '2-3'
    """
    known = _checked(eigenvalues, shrinkage, epsilon)
    rank = len(known) if leading is None else leading
    if not 1 <= rank <= len(known):
        raise InputError(f"leading must be between 1 and the {len(known)} eigenvalues known, got {rank}")
    head = known[:rank].cumsum(0)
    total = head[-1]
    if not total > 0:
        raise InputError("eigenvalues must not all be zero: every row of the matrix is")
    numbers = torch.arange(1, rank + 1, dtype=torch.float64)
    largest = (head + numbers * shrinkage) / (total + numbers * shrinkage)
    smallest = head / (total + (rank - numbers) * shrinkage)
    threshold = (1 - epsilon) ** 2 * (1 - _ROUNDING)
    return Interval(_first(largest >= threshold), _first(smallest >= threshold))


def _checked(eigenvalues: Tensor, shrinkage: float, epsilon: float) -> Tensor:
    if not 0 <= epsilon < 1:
        raise InputError(f"epsilon must be at least 0 and below 1, got {epsilon}")
    if not (shrinkage >= 0 and math.isfinite(shrinkage)):
        raise InputError(f"shrinkage must be finite and not negative, got {shrinkage}")
    known = eigenvalues.detach().to("cpu", torch.float64)
    if known.ndim != 1:
        raise InputError(f"eigenvalues must be one-dimensional, got shape {tuple(known.shape)}")
    # negated, so that a number that is not one fails too
    wrong = ~((known >= 0) & torch.isfinite(known))
    wrong[1:] |= known[1:] > known[:-1]
    if wrong.any():
        place = int(wrong.nonzero()[0])
        raise InputError(
            f"eigenvalues must be finite, not negative and descending, got {float(known[place])} at place {place}"
        )
    return known


def _first(reached: Tensor) -> int | None:
    """The number of directions, counted from 1, at which a criterion is first reached."""
    places = reached.nonzero()
    return int(places[0]) + 1 if len(places) else None
