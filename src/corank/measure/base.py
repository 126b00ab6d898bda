"""What a measure is: a network and data to numbers, the network untouched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import evaluation_mode
from corank.network.adapted import Adapted
from corank.network.guard import unchanged
from corank.network.inputs import (
    Inputs,
    batch_size,
    check_inputs,
    described,
    select,
    tensors_in,
    to_device,
)
from corank.result import Result
from corank.train.evaluate import device_of

Batches = Iterable[Any]
"""Re-iterable batches `(x, y)`, or mappings of the inputs' parts with the labels among them as `labels`."""

LABELS = ("labels", "label")

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
            network: any `nn.Module`; it comes back bit for bit, in its mode, without hooks.
            batches: re-iterable batches `(x, y)`, in random order, `x` being one tensor, a tuple or a mapping of
                tensors; or mappings with the labels under `labels`.

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
    """Batches moved to a device as they come, as pairs of inputs and labels.

    Args:
        batches: any re-iterable of batches `(x, y)`, or of mappings with the labels under `labels`; each is checked
            to be finite inputs with as many labels.
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

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]:
        for number, batch in enumerate(self.batches):
            inputs, labels = _pair(number, batch)
            x, y = to_device(inputs, self.device), labels.to(self.device)
            for tensor in tensors_in(x):
                wrong = (~torch.isfinite(tensor)).nonzero()
                if len(wrong):
                    raise InputError(f"sample {int(wrong[0, 0])} of batch {number} is not finite: drop or repair it")
            yield x, y


def _pair(number: int, batch: object) -> tuple[Inputs, Tensor]:
    """Inputs and labels of a batch."""
    if isinstance(batch, Mapping):
        named = [name for name in LABELS if name in batch]
        if not named:
            raise InputError(f"batch {number} must have its labels under 'labels', got {', '.join(map(str, batch))}")
        parts: list[Any] = [{name: part for name, part in batch.items() if name not in named}, batch[named[0]]]
    else:
        parts = list(batch) if isinstance(batch, tuple | list) else [batch]
    if len(parts) != 2 or not isinstance(parts[1], Tensor) or not isinstance(parts[0], Tensor | tuple | list | Mapping):
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise InputError(f"batch {number} must be a pair of tensors, inputs and labels, got {kinds}")
    x, y = parts
    if isinstance(x, Tensor) and (x.ndim == 0 or x.shape[:1] != y.shape[:1]):
        raise InputError(
            f"batch {number} must be inputs (B, ...) with B labels, got shapes {tuple(x.shape)} and {tuple(y.shape)}"
        )
    try:
        check_inputs(x)
    except InputError as error:
        raise InputError(f"batch {number}: {error}") from error
    x = tuple(x) if isinstance(x, list) else x
    if y.ndim == 0 or batch_size(x) != len(y):
        raise InputError(f"batch {number} must have a label for each sample, got {described(x)}, {len(y)} labels")
    return x, y


@contextmanager
def taking(number: int, x: Inputs, first: Inputs) -> Iterator[None]:
    """Name the batch at which a network fails, if its samples are not like those of the first batch.

    Raises:
        InputError: a failure on such a batch.
    """
    try:
        yield
    except RuntimeError as error:
        came, expected = (described(select(inputs, torch.tensor(0))) for inputs in (x, first))
        if came == expected:
            raise
        raise InputError(
            f"the samples of batch {number} have shape {came} where those of batch 0 have {expected}: the network "
            "does not take both"
        ) from error


def first_batch(batches: Batches) -> tuple[Any, Tensor]:
    """The first batch of the data that holds a sample.

    Raises:
        InputError: there is none.
    """
    for x, y in batches:
        if len(y):
            return x, y
    raise InputError("the data holds no batch with a sample: at least one is needed")


def first_that_fits(network: nn.Module, batches: Batches) -> Any:
    """The inputs of the first batch, after the network has been asked whether it takes them.

    Raises:
        InputError: there are no data, or the network fails on them.
    """
    x, _ = first_batch(batches)
    try:
        with torch.no_grad(), evaluation_mode(network):
            Adapted(network)(select(x, slice(2)))
    except InputError:
        raise
    except Exception as error:  # whatever a network raises on inputs that are not its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the network does not take samples of shape {described(select(x, torch.tensor(0)))}, as the data have "
            f"them: {reason[:200]}"
        ) from error
    return x
