"""Samples that stay out of a fit, to say afterwards how much it is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from corank.network.inputs import Given, concatenate, select

EVERY = 5
AT_MOST = 1000


class HeldOut:
    """Every fifth sample of a stream, up to a thousand, kept in memory; batches may have any sizes.

    Attributes:
        batches: what was put aside, `(number of its batch, x, y)`.
        count: how many samples that is.

    Example:
        >>> held = HeldOut()
        >>> [held.take(x, x)[1].tolist() for x in torch.arange(12).split(3)]
        [[0, 1, 2], [3, 5], [6, 7, 8], [10, 11]]
        >>> [(number, labels.tolist()) for number, _, labels in held.batches], held.count
        ([(1, [4]), (3, [9])], 2)
    """

    def __init__(self) -> None:
        self.batches: list[tuple[int, Any, Tensor]] = []
        self.count = 0
        self._batches_seen = 0
        self._samples_seen = 0

    def take(self, x: Given, y: Tensor) -> tuple[Given, Tensor]:
        """Put every fifth sample aside and return the others of the batch."""
        place = torch.arange(self._samples_seen, self._samples_seen + len(y), device=y.device)
        aside = (place % EVERY == EVERY - 1) & (place < EVERY * AT_MOST)
        number = self._batches_seen
        self._batches_seen += 1
        self._samples_seen += len(y)
        if not aside.any():
            return x, y
        self.batches.append((number, select(x, aside), y[aside]))
        self.count += int(aside.sum())
        return select(x, ~aside), y[~aside]

    def merged(self, size: int) -> Iterator[tuple[str, Any, Tensor]]:
        """What was put aside, in batches of at least a size but for the last, which run faster than many small ones.

        Each has the numbers of its batches in words.
        """
        waiting: list[tuple[int, Any, Tensor]] = []
        for last, batch in enumerate(self.batches, 1):
            waiting.append(batch)
            if last == len(self.batches) or sum(len(labels) for _, _, labels in waiting) >= size:
                numbers, inputs, labels = zip(*waiting, strict=True)
                named = f"batch {numbers[0]}" if len(numbers) == 1 else f"batches {numbers[0]} to {numbers[-1]}"
                yield named, concatenate(inputs), torch.cat(labels)
                waiting = []
