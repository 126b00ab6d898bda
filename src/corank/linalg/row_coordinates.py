"""The coordinates of every row that a Frequent Directions sketch has seen, without a second look at the rows.

When kept rows K (orthogonal) and fresh rows F shrink, their Gram matrix is `U diag(lambda) U^T` and the new
right vectors are `V = lambda^(-1/2) U^T [K; F]`. Hence `V F^T = lambda^(1/2) U_F^T` are the coordinates of the
fresh rows, and `V K^T |K|^(-1) = lambda^(1/2) U_K^T |K|^(-1)` turns coordinates in the old basis into the new one.
The turns are small matrices; they are multiplied up from the last to the first only when somebody reads.
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

_ROUNDING = 4.0  # units of rounding, of the trace, that an eigenvalue of a Gram matrix may be off by


class _Shrink(NamedTuple):
    """What one shrink did to coordinates: `old @ turn`, and the rows that it found fresh."""

    turn: Tensor
    fresh: Tensor
    unit: float


@final
class RowCoordinates:
    """The books of one sketch: which seen rows its absorbed rows stand for, and how its basis turned.

    Absorbed rows are those that went into the buffer. A seen row is one of them, or, where it came with a merged
    sketch, a combination of the rows of that sketch's buffer.
    """

    def __init__(self) -> None:
        self._shrinks: list[_Shrink] = []
        self._seen: list[int | Tensor] = []  # so many absorbed rows themselves, or combinations (seen, absorbed)

    def own(self, count: int) -> None:
        """The next `count` absorbed rows are seen rows."""
        if self._seen and isinstance(self._seen[-1], int):
            self._seen[-1] += count
        else:
            self._seen.append(count)

    def combined(self, mixing: Tensor) -> None:
        """The next absorbed rows, as many as `mixing` has columns, stand for as many seen rows as it has rows."""
        self._seen.append(mixing)

    def shrunk(
        self, gram: Tensor, squares: Tensor, vectors: Tensor, kept: int, unit: float, dtype: torch.dtype
    ) -> None:
        """Takes in a shrink.

        Args:
            gram: of the kept rows, which come first, and the fresh ones; its lower triangle is read.
            squares: its leading eigenvalues, descending.
            vectors: their eigenvectors, columns.
            kept: how many rows were kept.
            unit: in which the rows are held.
            dtype: in which they are held, and coordinates are.
        """
        # Directions below the rounding of the Gram matrix are nothing but that, and not even orthogonal to the others.
        clear = squares > _ROUNDING * torch.finfo(dtype).eps * gram.diagonal().sum()
        roots = torch.where(clear, squares, 0.0).sqrt()
        of_kept, of_fresh = vectors[:kept], vectors[kept:]
        norms = gram.diagonal()[:kept, None].sqrt()
        inverse = torch.where(norms > 0, 1 / norms, 0.0)
        # U_K lambda^(1/2) |K|^(-1) would divide rounding by small norms; G U = U lambda puts it so that it does not.
        turn = (norms * of_kept + inverse * (gram[kept:, :kept].T @ of_fresh)) / torch.where(clear, roots, torch.inf)
        self._shrinks.append(_Shrink(turn.to(dtype), (of_fresh * roots).to(dtype), unit))

    def read(self, buffer_coordinates: Tensor, kept: int, unit: float) -> Tensor:
        """The coordinates of all seen rows, float64.

        Args:
            buffer_coordinates: shape (filled, k), of the rows of the buffer; of the `kept` orthogonal ones, which come
                first, those of their directions.
            kept: how many rows are orthogonal.
            unit: of the buffer.
        """
        turned = buffer_coordinates[:kept]
        parts = [buffer_coordinates[kept:] * unit]
        for shrink in reversed(self._shrinks):
            parts.append(shrink.fresh.to(torch.float64) @ turned * shrink.unit)
            turned = shrink.turn.to(torch.float64) @ turned
        absorbed = torch.cat(parts[::-1])
        seen, start = [], 0
        for entry in self._seen:
            count = entry if isinstance(entry, int) else entry.shape[1]
            own = absorbed[start : start + count]
            seen.append(own if isinstance(entry, int) else entry @ own)
            start += count
        return torch.cat(seen) if seen else absorbed

    def restore(self, mixing: Tensor, kept: int, dtype: torch.dtype) -> None:
        """Begins anew: the rows of the buffer, of the first `kept` their directions, are mixed to the seen rows."""
        basis = torch.eye(kept, dtype=dtype, device=mixing.device)
        self._shrinks = [_Shrink(basis[:0], basis, 1.0)] if kept else []
        self._seen = [mixing] if len(mixing) else []
