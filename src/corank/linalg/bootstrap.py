"""How sure are the eigenvalues and the active subspace of a sample? Rows are drawn again, with replacement.

The rows are given by few coordinates each, so a replicate costs a small weighted Gram matrix and its
eigendecomposition, not another pass over the data. Eigenvalues get percentile intervals, and the subspaces
W and W_b of sample and replicate are compared by `dist(W, W_b) = ||W W^T - W_b W_b^T||_2`, the sine of the
largest angle between them (Constantine 2015, "Active Subspaces", section 3.3, the bootstrap of Algorithm 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from corank.errors import InputError
from corank.linalg.rows import check_rows, energy_of
from corank.linalg.small_gram import descending_eigenpairs

_CHEAP = 200  # coordinates: a replicate of some thousand rows then takes ten milliseconds


@final
@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """What `bootstrap_subspace` finds; all tensors are float64 on the CPU.

    Attributes:
        eigenvalues: shape (rank,), of the mean covariance of the sample itself.
        eigenvalue_intervals: shape (rank, 2), the percentile interval of each.
        distance_mean: shape (rank,), mean over the replicates of the subspace distance, for the leading 1, 2, ...
            directions.
        distance_intervals: shape (rank, 2), its percentile intervals.
        distance_max: shape (rank,), its largest values.
        replicates: how many times the rows were drawn.
        level: of the intervals.
        samples: the number of rows (m).
        coordinates_used: how many leading coordinates of each row entered.
        energy_left_out: the share of the sum of squares in the coordinates that did not.
    """

    eigenvalues: Tensor
    eigenvalue_intervals: Tensor
    distance_mean: Tensor
    distance_intervals: Tensor
    distance_max: Tensor
    replicates: int
    level: float
    samples: int
    coordinates_used: int
    energy_left_out: float


@torch.no_grad()
def bootstrap_subspace(
    coordinates: Tensor,
    rank: int,
    *,
    replicates: int = 100,
    level: float = 0.95,
    leading: int | None = None,
    generator: torch.Generator | None = None,
) -> Bootstrap:
    """Bootstrap of the leading eigenvalues and eigenspaces of `coordinates^T coordinates / m`.

    A replicate draws m rows with replacement. It sees the given coordinates only: what rows have outside them is not
    resampled, so distances are those within the space that the coordinates span. A hundred replicates take a second of
    one core for 4,000 rows, 200 coordinates and rank 50; twenty for 10,000 rows, 400 coordinates and rank 200.

    Args:
        coordinates: shape (m, k), a row for each sample, in any orthonormal basis whose leading directions
            come first (`FrequentDirections.coordinates`).
        rank: how many eigenvalues and subspaces, at most the number of coordinates used.
        replicates: how many times the rows are drawn.
        level: of the two-sided percentile intervals, between 0 and 1.
        leading: how many of the leading coordinates are used; None takes at most the larger of 200 and twice the rank,
            because those beyond mix with the leading `rank` directions in proportion to their small energy only.
        generator: the source of chance; its device is where rows are drawn.

    Raises:
        InputError: coordinates that are no finite matrix, no rows, or an option out of its range.

    Example:
        >>> chance = torch.Generator().manual_seed(0)
        >>> rows = torch.randn(2000, 3, generator=chance) * torch.tensor([3.0, 1.0, 0.1])
        >>> found = bootstrap_subspace(rows, rank=2, generator=chance)
        >>> low, high = found.eigenvalue_intervals.T
        >>> bool(((low < torch.tensor([9.0, 1.0])) & (torch.tensor([9.0, 1.0]) < high)).all())
        True
        >>> float(found.distance_max[0]) < 0.05
        True
    """
    used, energy = _used(coordinates, rank, replicates, level, leading)
    samples, width = used.shape
    eigenvalues, basis = descending_eigenpairs(used.T @ used / samples)
    rotated = used @ basis
    values = torch.empty(replicates, rank, dtype=torch.float64)
    vectors = torch.empty(replicates, width, rank, dtype=torch.float64)
    for replicate in range(replicates):
        of_replicate, axes = descending_eigenpairs(_resampled_gram(rotated, generator) / samples)
        values[replicate], vectors[replicate] = of_replicate[:rank].cpu(), axes[:, :rank].cpu()
    distances = torch.stack([_distances(vectors, dimension) for dimension in range(1, rank + 1)], dim=1)
    return Bootstrap(
        eigenvalues=eigenvalues[:rank].cpu(),
        eigenvalue_intervals=_percentiles(values, level),
        distance_mean=distances.mean(0),
        distance_intervals=_percentiles(distances, level),
        distance_max=distances.amax(0),
        replicates=replicates,
        level=level,
        samples=samples,
        coordinates_used=width,
        energy_left_out=max(0.0, 1 - float(eigenvalues.sum()) * samples / energy) if energy else 0.0,
    )


def _used(coordinates: Tensor, rank: int, replicates: int, level: float, leading: int | None) -> tuple[Tensor, float]:
    """The leading coordinates in float64 and the energy of all."""
    if coordinates.ndim != 2 or 0 in coordinates.shape:
        raise InputError(
            f"coordinates must have shape (samples, coordinates), both at least 1, got {tuple(coordinates.shape)}"
        )
    energy = energy_of(check_rows(coordinates, coordinates.shape[1], "coordinates"), "coordinates")
    limit = min(coordinates.shape[1], max(_CHEAP, 2 * rank)) if leading is None else leading
    if not 1 <= limit <= coordinates.shape[1]:
        raise InputError(f"leading must be between 1 and the {coordinates.shape[1]} coordinates given, got {limit}")
    if not 1 <= rank <= limit:
        raise InputError(f"rank must be between 1 and the {limit} coordinates used, got {rank}")
    if replicates < 1:
        raise InputError(f"replicates must be at least 1, got {replicates}")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}")
    return coordinates.detach()[:, :limit].to(torch.float64), energy


def _resampled_gram(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """The Gram matrix of as many rows drawn with replacement, each drawn row taken once with its weight."""
    device = generator.device if generator is not None else None
    drawn = torch.randint(len(rows), (len(rows),), generator=generator, device=device).to(rows.device)
    counts = torch.bincount(drawn, minlength=len(rows))
    present = counts.nonzero().squeeze(1)
    weighted = rows[present] * counts[present].to(torch.float64).sqrt()[:, None]
    return torch.mm(weighted.T, weighted)


def _distances(vectors: Tensor, dimension: int) -> Tensor:
    """For every replicate `||W W^T - W_b W_b^T||_2` where W are the first axes: the norm of what leaves them."""
    leaving = vectors[:, dimension:, :dimension]
    if leaving.shape[1] == 0:
        return vectors.new_zeros(len(vectors))
    wide = leaving.shape[1] < dimension
    gram = leaving @ leaving.mT if wide else leaving.mT @ leaving
    largest: Tensor = torch.linalg.eigvalsh(gram)[:, -1]
    return largest.clamp(0, 1).sqrt()


def _percentiles(values: Tensor, level: float) -> Tensor:
    """The ends of the middle `level` of the replicates, shape (columns, 2)."""
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    return torch.quantile(values, ends, dim=0).T.contiguous()
