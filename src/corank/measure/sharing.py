"""One pass by several processes: each runs its part of every batch, and each keeps the sketches of its own layers.

The rows of a layer are sent to the process that owns it, in the order of the batch. So the sketches see what they
would see in one process, the result is the same up to the rounding of the network, and both the passes and the
sketches are shared out. Without a process group there is one process, which owns everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, distributed

from corank.errors import ProcessError
from corank.train.devices import shard

Key = TypeVar("Key")
Value = TypeVar("Value")


class Sharing:
    """The part of this process in a pass.

    Args:
        widths: features of every layer; they decide who owns which, such that all have about as much.

    Example:
        >>> alone = Sharing({"conv1": 10, "conv2": 20})
        >>> alone.owns("conv1"), alone.part(5).tolist()
        (True, [0, 1, 2, 3, 4])
    """

    def __init__(self, widths: Mapping[str, int]) -> None:
        is_shared = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if is_shared else 0
        self.processes = distributed.get_world_size() if is_shared else 1
        self.owners = _owners(widths, self.processes)

    def owns(self, layer: str) -> bool:
        """Whether this process keeps that layer."""
        return self.owners[layer] == self.rank

    def part(self, samples: int) -> Tensor:
        """The samples of a batch that this process runs; where there are too few it repeats the first one."""
        return self._part(samples, self.rank)

    def to_owner(self, layer: str, values: Tensor, samples: int) -> Tensor | None:
        """The values of a whole batch at the owner of a layer, from every process's part; None elsewhere.

        Raises:
            ProcessError: another process is gone.
        """
        if self.processes == 1:
            return values
        owner = self.owners[layer]
        padded = self._padded(values, samples)
        parts = [torch.empty_like(padded) for _ in range(self.processes)] if owner == self.rank else None
        with _watched():
            distributed.gather(padded, parts, dst=owner)
        return None if parts is None else self._joined(parts, samples)

    def to_all(self, values: Tensor, samples: int) -> Tensor:
        """The values of a whole batch, everywhere.

        Raises:
            ProcessError: another process is gone.
        """
        if self.processes == 1:
            return values
        padded = self._padded(values, samples)
        parts = [torch.empty_like(padded) for _ in range(self.processes)]
        with _watched():
            distributed.all_gather(parts, padded)
        return self._joined(parts, samples)

    def any_of(self, is_so: bool, device: torch.device) -> bool:
        """Whether it is so in any process, known to all.

        Raises:
            ProcessError: another process is gone.
        """
        if self.processes == 1:
            return is_so
        answers = torch.tensor([is_so], dtype=torch.int32, device=device)
        with _watched():
            distributed.all_reduce(answers, op=distributed.ReduceOp.MAX)
        return bool(answers.item())

    def collect(self, values: Mapping[Key, Value]) -> dict[Key, Value]:
        """What every process found for its own layers, together, everywhere.

        Raises:
            ProcessError: another process is gone.
        """
        if self.processes == 1:
            return dict(values)
        parts: list[Mapping[Key, Value] | None] = [None] * self.processes
        with _watched():
            distributed.all_gather_object(parts, dict(values))
        return {name: value for part in parts if part is not None for name, value in part.items()}

    def _part(self, samples: int, rank: int) -> Tensor:
        numbers = torch.arange(samples)
        return shard(numbers, numbers, rank, self.processes).x

    def _size(self, samples: int, rank: int) -> int:
        numbers = torch.arange(samples)
        part = shard(numbers, numbers, rank, self.processes)
        return len(part.x) if part.weight else 0

    def _padded(self, values: Tensor, samples: int) -> Tensor:
        """The values of this process's part, filled up to the largest part."""
        most = -(-samples // self.processes)
        return torch.cat([values, values.new_zeros(most - len(values), *values.shape[1:])]).contiguous()

    def _joined(self, parts: Sequence[Tensor], samples: int) -> Tensor:
        return torch.cat([part[: self._size(samples, rank)] for rank, part in enumerate(parts)])


def _owners(widths: Mapping[str, int], processes: int) -> dict[str, int]:
    """The widest layers first, each to the process that has the least."""
    load = [0] * processes
    owners = {}
    for layer in sorted(widths, key=lambda name: -widths[name]):
        owners[layer] = load.index(min(load))
        load[owners[layer]] += widths[layer]
    return owners


@contextmanager
def _watched() -> Iterator[None]:
    """Say in one line that another process is gone; the exchange notices at once when its connection closes."""
    try:
        yield
    except RuntimeError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ProcessError(f"another process of this run is gone, nothing was written: {reason[:160]}") from error
