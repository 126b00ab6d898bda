"""Samples that stay out of a fit, to say afterwards how much it is worth."""

from __future__ import annotations

import torch
from torch import Tensor

EVERY = 5
AT_MOST = 1000


class HeldOut:
    """Every fifth sample of a stream, up to a thousand, kept in memory.

    Example:
        >>> held = HeldOut()
        >>> x, y = held.take(torch.arange(10.0), torch.arange(10))
        >>> y.tolist(), [labels.tolist() for _, labels in held.batches], held.count
        ([0, 1, 2, 3, 5, 6, 7, 8], [[4, 9]], 2)
    """

    def __init__(self) -> None:
        self.batches: list[tuple[Tensor, Tensor]] = []
        self.count = 0

    def take(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Put every fifth sample of a batch aside and return the others."""
        aside = torch.arange(len(x), device=x.device) % EVERY == EVERY - 1
        if self.count >= AT_MOST or not aside.any():
            return x, y
        self.batches.append((x[aside], y[aside]))
        self.count += int(aside.sum())
        return x[~aside], y[~aside]
