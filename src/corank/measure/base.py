"""What a measure is: a network and data to numbers, the network untouched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import evaluation_mode
from corank.network.guard import unchanged
from corank.result import Result
from corank.train.evaluate import Batches, device_of

__all__ = ["Batches", "Measure", "Measurement", "OnDevice", "first_batch", "first_that_fits", "taking"]


@dataclass(frozen=True, kw_only=True)
class Measurement(Result):
    """The base of what measures return."""


@dataclass(frozen=True, kw_only=True)
class Measure(ABC):
    """The base of all measures: options are fields, the verb is `measure`."""

    def measure(self, network: nn.Module, batches: Batches) -> Measurement:
        """Measure a network on data.

        Args:
            network: any `nn.Module` of one tensor; it comes back bit for bit, in its mode, without hooks.
            batches: re-iterable batches `(x, y)`, in random order.

        Raises:
            InputError: no data, or data that the network cannot take.
        """
        with unchanged(network):
            there = OnDevice(batches, device_of(network))
            first_that_fits(network, there)
            return self._measure(network, there)

    @abstractmethod
    def _measure(self, network: nn.Module, batches: Batches) -> Measurement: ...


class OnDevice:
    """Batches moved to a device as they come.

    Args:
        batches: any re-iterable of batches `(x, y)`; each is checked to be finite inputs with as many labels.
        device: where they go.

    Raises:
        InputError: an iterator, which could be gone through only once; while iterating, a batch of another form.

    Example:
        >>> list(OnDevice([(torch.zeros(2, 1), torch.tensor([0]))], torch.device("cpu")))
        Traceback (most recent call last):
        corank.errors.InputError: batch 0 must be inputs (B, ...) with B labels, got shapes (2, 1) and (1,)
    """

    def __init__(self, batches: Batches, device: torch.device) -> None:
        if isinstance(batches, Iterator):
            raise InputError(
                f"data must be re-iterable, got a {type(batches).__name__}: give a list of batches or a DataLoader"
            )
        self.batches = batches
        self.device = device

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for number, batch in enumerate(self.batches):
            _check_form(number, batch)
            x, y = batch[0].to(self.device), batch[1].to(self.device)
            wrong = (~torch.isfinite(x)).nonzero()
            if len(wrong):
                raise InputError(f"sample {int(wrong[0, 0])} of batch {number} is not finite: drop or repair it")
            yield x, y


def _check_form(number: int, batch: object) -> None:
    parts = list(batch) if isinstance(batch, tuple | list) else [batch]
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if len(parts) != 2 or len(tensors) != 2:
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise InputError(f"batch {number} must be a pair of tensors, inputs and labels, got {kinds}")
    x, y = tensors
    if x.ndim == 0 or x.shape[:1] != y.shape[:1]:
        raise InputError(
            f"batch {number} must be inputs (B, ...) with B labels, got shapes {tuple(x.shape)} and {tuple(y.shape)}"
        )


@contextmanager
def taking(number: int, x: Tensor, first: Tensor) -> Iterator[None]:
    """Name the batch at which a network fails, if its samples are not like those of the first batch.

    Raises:
        InputError: a failure on such a batch.
    """
    try:
        yield
    except RuntimeError as error:
        if (x.shape[1:], x.dtype) == (first.shape[1:], first.dtype):
            raise
        raise InputError(
            f"the samples of batch {number} have shape {tuple(x.shape[1:])} and {x.dtype} where those of batch 0 have "
            f"{tuple(first.shape[1:])} and {first.dtype}: the network does not take both"
        ) from error


def first_batch(batches: Batches) -> tuple[Tensor, Tensor]:
    """The first batch of the data that holds a sample.

    Raises:
        InputError: there is none.
    """
    for x, y in batches:
        if len(x):
            return x, y
    raise InputError("the data holds no batch with a sample: at least one is needed")


def first_that_fits(network: nn.Module, batches: Batches) -> Tensor:
    """The inputs of the first batch, after the network has been asked whether it takes them.

    Raises:
        InputError: there are no data, or the network fails on them.
    """
    x, _ = first_batch(batches)
    try:
        with torch.no_grad(), evaluation_mode(network):
            network(x[:2])
    except Exception as error:  # whatever a network raises on inputs that are not its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        shape = tuple(x.shape[1:])
        raise InputError(
            f"the network does not take samples of shape {shape} and {x.dtype}, as the data have them: {reason[:200]}"
        ) from error
    return x
