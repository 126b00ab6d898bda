"""Where a training runs: one device by itself, or devices, precisions and processes through Lightning Fabric.

The fitting loop knows only the few verbs of `Devices`, named as Fabric names them, so one loop serves both.
Under several processes each takes its shard of every batch, so that together they see what one process would
see.
"""

from __future__ import annotations

import atexit
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from corank.errors import InputError, near

PRECISIONS = ("32-true", "bf16-mixed")


class Devices(Protocol):
    """The verbs that the fitting loop asks of a Fabric; `Local` has them too."""

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        ...

    @property
    def global_rank(self) -> int:
        """The number of this process, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        ...

    def setup(self, module: nn.Module, *optimizers: Optimizer) -> Any:
        """The module and optimisers, made ready for the device and the other processes."""
        ...

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of forward computations outside of a module that was set up."""
        ...

    def backward(self, tensor: Tensor) -> None:
        """Gradients of the loss, averaged over the processes."""
        ...

    def all_reduce(self, data: Tensor, *, reduce_op: str) -> Any:
        """A tensor summed over the processes."""
        ...

    def broadcast(self, obj: str) -> str:
        """The first process's text, in all of them."""
        ...


@final
@dataclass(frozen=True)
class Local:
    """One process on one device, in the network's own precision.

    Example:
        >>> Local(torch.device("cpu")).world_size
        1
    """

    device: torch.device
    global_rank: int = 0
    world_size: int = 1

    def setup(self, module: nn.Module, *optimizers: Optimizer) -> tuple[nn.Module | Optimizer, ...]:
        """The module and optimisers as they are."""
        return (module, *optimizers)

    def autocast(self) -> AbstractContextManager[None]:
        """Nothing: full precision."""
        return nullcontext()

    def backward(self, tensor: Tensor) -> None:
        """Plain backpropagation."""
        tensor.backward()  # type: ignore[no-untyped-call]

    def all_reduce(self, data: Tensor, *, reduce_op: str) -> Tensor:
        """The tensor itself: there is one process."""
        return data

    def broadcast(self, obj: str) -> str:
        """The text itself: there is one process."""
        return obj


@dataclass(frozen=True)
class Shard:
    """What one process takes of a batch.

    Args:
        x: its inputs.
        y: its labels.
        weight: what its mean loss counts for, such that the mean of the weighted losses over the processes is
            the mean loss of the whole batch.
    """

    x: Tensor
    y: Tensor
    weight: float


def shard(x: Tensor, y: Tensor, rank: int, processes: int) -> Shard:
    """The share of one process in a batch: contiguous samples, their numbers differing by at most one.

    A process for which no sample is left takes the first one with weight 0, because all must join the
    exchange of gradients.

    Example:
        >>> x = torch.arange(5)
        >>> [(part.x.tolist(), part.weight) for part in (shard(x, x, rank, 2) for rank in range(2))]
        [([0, 1, 2], 1.2), ([3, 4], 0.8)]
    """
    low, high = (-(-len(x) * end // processes) for end in (rank, rank + 1))
    if low == high:
        return Shard(x[:1], y[:1], 0.0)
    return Shard(x[low:high], y[low:high], (high - low) * processes / len(x))


def make_fabric(device: str = "cpu", precision: str | None = None, processes: int = 1) -> Any | None:
    """A launched Fabric where one is needed, and None for one process on one device in full precision.

    With more than one process the running program is started again for each of the others, which then take
    part from here on; only the one with `global_rank` 0 should write and print.

    Args:
        device: `cpu`, `cuda` or `cuda:N`; several processes on `cuda` take one device each.
        precision: `32-true` (or None) or `bf16-mixed`.
        processes: how many processes train together.

    Raises:
        InputError: a device that does not exist here, an unknown precision, fewer than one process or more
            than there are devices, or Fabric not being installed.

    Example:
        >>> make_fabric("cpu") is None
        True
    """
    chosen = checked_device(device)
    if precision not in (None, *PRECISIONS):
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if processes < 1:
        raise InputError(f"processes must be at least 1, got {processes}")
    if chosen.type == "cuda" and processes > 1 and (chosen.index is not None or processes > torch.cuda.device_count()):
        raise InputError(
            f"{processes} processes need as many CUDA devices and --device cuda, got {device!r} of "
            f"{torch.cuda.device_count()}: use fewer processes"
        )
    if processes == 1 and precision in (None, "32-true"):
        return None
    return _launched(chosen, precision or "32-true", processes)


def checked_device(device: str) -> torch.device:
    """The named device, if this machine has it.

    Raises:
        InputError: an unknown or unavailable device; the message names those there are.

    Example:
        >>> checked_device("cpu")
        device(type='cpu')
    """
    present = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    known = [*present, "cuda"] if len(present) > 1 else present
    if device not in known:
        raise InputError(f"device must be one that this machine has, got {device!r}: {near(device, known)}")
    return torch.device(device)


def _launched(device: torch.device, precision: str, processes: int) -> Any:
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise InputError(
            f"precision {precision} in {processes} processes needs Lightning Fabric: pip install 'corank[fabric]'"
        ) from error
    fabric = Fabric(
        accelerator=device.type,
        devices=[device.index or 0] if device.type == "cuda" and processes == 1 else processes,
        strategy="ddp" if processes > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    atexit.register(_leave_group)
    return fabric


def _leave_group() -> None:
    """Ends the threads of communication while the interpreter lives: one that outlives it aborts the process."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
