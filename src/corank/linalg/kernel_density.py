"""Mutual information between the inputs of a network and what a layer makes of them, by kernel density bounds.

A deterministic h(x) has no finite mutual information with x; with Gaussian noise, T = h(x) + N(0, s^2 I), it has.
Where X is one of m equally likely samples, T is a mixture of m Gaussians, and pairwise distances bound its
entropy from both sides (Kolchinsky and Tracey 2017, "Estimating mixture entropy with pairwise distances", eq. 10):
`-(1/m) sum_i log (1/m) sum_j exp(-|h_i - h_j|^2 / (c s^2))` is an upper bound of I(T; X) with c = 2 (the
Kullback-Leibler divergence) and a lower one with c = 8 (the Chernoff divergence of order 1/2).
Information about labels is a difference of two such terms, so its bounds cross.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.rows import check_rows, energy_of

_EXPONENT_ERROR = 3e-3  # what rounding may change an exponent by, before distances are formed in float64


@final
@dataclass(frozen=True, kw_only=True)
class Information:
    """Bounds of mutual information, in nats.

    Attributes:
        lower: of I(T; X).
        upper: of I(T; X).
        limit: log m, which neither can exceed whatever the truth.
        lower_saturated: the lower bound exceeds log(m/2): in (geometric) mean a sample's own kernel outweighs all
            others together, and the number speaks of the number of samples more than of the layer.
        upper_saturated: the same for the upper bound.
        label_lower: of I(T; Y): `lower(T) - sum_y p_y upper(T | y)`; None without labels. It may be negative.
        label_upper: of I(T; Y): `upper(T) - sum_y p_y lower(T | y)`; it may exceed `label_entropy`.
        label_entropy: H(Y), which I(T; Y) cannot exceed.
        samples: m.
        noise_variance: s^2.
    """

    lower: float
    upper: float
    limit: float
    lower_saturated: bool
    upper_saturated: bool
    label_lower: float | None
    label_upper: float | None
    label_entropy: float | None
    samples: int
    noise_variance: float


@torch.no_grad()
def information_bounds(
    h: Tensor, noise_variance: float = 0.1, labels: Tensor | None = None, *, block: int = 1024
) -> Information:
    """Bounds of I(T; X), and with labels of I(T; Y), for `T = h(X) + N(0, noise_variance)`.

    Distances are formed in float32 where its rounding changes no exponent by more than 0.003, else in float64 (after
    centring; this depends on the spread of h against the noise); sums are float64. Only blocks are held.

    Args:
        h: shape (m, d), the representations of m samples, flattened.
        noise_variance: s^2, in the squared unit of h.
        labels: shape (m,), the class of each sample, any integers.
        block: so many rows and columns of the distance matrix at a time.

    Raises:
        InputError: representations that are no finite matrix, no samples, labels that do not fit, or a noise
            variance that is not positive.

    Example:
        >>> two = information_bounds(torch.tensor([[0.0], [100.0]]), labels=torch.tensor([0, 1]))
        >>> round(two.lower, 6), round(two.upper, 6), round(two.label_lower, 6), two.lower_saturated
        (0.693147, 0.693147, 0.693147, True)
        >>> information_bounds(torch.zeros(5, 3)).upper
        0.0
    """
    _check(h, noise_variance, labels)
    classes, members = _classes(h, labels)
    points = _centred(h, noise_variance)
    sums = torch.zeros(2, len(points), members.shape[1], dtype=torch.float64, device=points.device)
    one_hot = members.to(torch.float32)
    for rows, columns, squares in pairwise_squared_distances(points, block=block):
        # float32 holds an exponent that matters (above -90) to 1e-5; this kernel has c = 8, its fourth power c = 2
        wide = squares.mul_(-1 / (8 * noise_variance)).to(torch.float32).exp_()
        for kernel in (0, 1):
            sums[kernel, rows] += wide @ one_hot[columns]
            if rows != columns:
                sums[kernel, columns] += wide.T @ one_hot[rows]
            wide = wide.square_().square_() if kernel == 0 else wide
    lower, upper = (float(_information(sums[kernel].sum(1), len(h)).mean()) for kernel in (0, 1))
    limit = math.log(len(h))
    label_lower = label_upper = label_entropy = None
    if labels is not None:
        counts = members.sum(0)
        of_own = sums.gather(2, classes.expand(2, -1)[:, :, None])[:, :, 0]
        lower_within, upper_within = (float(_information(own, counts[classes]).mean()) for own in of_own)
        label_lower, label_upper = lower - upper_within, upper - lower_within
        shares = counts / len(h)
        label_entropy = float(-(shares * shares.log()).sum())
    return Information(
        lower=lower,
        upper=upper,
        limit=limit,
        lower_saturated=lower > limit - math.log(2),
        upper_saturated=upper > limit - math.log(2),
        label_lower=label_lower,
        label_upper=label_upper,
        label_entropy=label_entropy,
        samples=len(h),
        noise_variance=noise_variance,
    )


def pairwise_squared_distances(h: Tensor, *, block: int = 1024) -> Iterator[tuple[slice, slice, Tensor]]:
    """The upper triangle of `|h_i - h_j|^2` in blocks: rows, columns (never to the left of the rows), squares.

    By one matrix product a block, in the dtype of h. What rounding makes negative is set to 0, and so is the
    diagonal. Centre the points first: the rounding is that of `|h_i|^2`.

    Args:
        h: shape (m, d).
        block: the most rows and columns of a block.

    Raises:
        InputError: h is no matrix of floating-point numbers, or block is below 1.

    Example:
        >>> [(rows.start, columns.start, d.tolist()) for rows, columns, d in
        ...  pairwise_squared_distances(torch.tensor([[0.0], [1.0], [3.0]]), block=2)]
        [(0, 0, [[0.0, 1.0], [1.0, 0.0]]), (0, 2, [[9.0], [4.0]]), (2, 2, [[0.0]])]
    """
    if h.ndim != 2 or not h.is_floating_point():
        raise InputError(f"h must be a floating-point matrix (samples, features), got {h.dtype} {tuple(h.shape)}")
    if block < 1:
        raise InputError(f"block must be at least 1, got {block}")
    norms = torch.linalg.vector_norm(h, dim=1).square()
    pieces = [slice(start, min(start + block, len(h))) for start in range(0, len(h), block)]
    for place, rows in enumerate(pieces):
        for columns in pieces[place:]:
            squares = torch.addmm(norms[columns][None, :], h[rows], h[columns].T, alpha=-2)
            squares.add_(norms[rows][:, None]).clamp_(min=0)
            if rows == columns:
                squares.fill_diagonal_(0)
            yield rows, columns, squares


def _check(h: Tensor, noise_variance: float, labels: Tensor | None) -> None:
    if h.ndim != 2 or len(h) == 0:
        raise InputError(f"h must have shape (samples, features) with at least one sample, got {tuple(h.shape)}")
    energy_of(check_rows(h, h.shape[1], "h"), "h")
    if not (noise_variance > 0 and math.isfinite(noise_variance)):
        raise InputError(f"noise_variance must be positive and finite, got {noise_variance}")
    if labels is not None and (labels.shape != (len(h),) or labels.is_floating_point()):
        raise InputError(
            f"labels must be {len(h)} whole numbers, one a sample, got {labels.dtype} of shape {tuple(labels.shape)}"
        )


def _classes(h: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """The number of each sample's class, and the classes as float64 columns of zeros and ones."""
    if labels is None:
        classes = torch.zeros(len(h), dtype=torch.long, device=h.device)
    else:
        classes = torch.unique(labels.to(h.device), return_inverse=True)[1]
    members = torch.zeros(len(h), int(classes.max()) + 1, dtype=torch.float64, device=h.device)
    return classes, members.scatter_(1, classes[:, None], 1.0)


def _centred(h: Tensor, noise_variance: float) -> Tensor:
    """The centred points, in float32 if that is precise enough for their distances against the noise."""
    points = h.detach().to(torch.float64)
    points = points - points.mean(0)
    largest = float(torch.linalg.vector_norm(points, dim=1).square().max())
    rounding = 4 * torch.finfo(torch.float32).eps * largest / (2 * noise_variance)
    return points.to(torch.float32) if rounding <= _EXPONENT_ERROR else points


def _information(sums: Tensor, samples: int | Tensor) -> Tensor:
    """`-log` of each sample's mean kernel value: at most the log of the number of samples, as a point sees itself."""
    return (samples / sums.clamp(min=1)).log() if isinstance(samples, Tensor) else -(sums.clamp(min=1) / samples).log()
