"""What a measure is: a network and data to numbers, the network untouched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network.guard import unchanged
from corank.result import Result
from corank.train.evaluate import Batches, device_of

__all__ = ["Batches", "Measure", "Measurement", "OnDevice", "first_batch"]


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
            return self._measure(network, OnDevice(batches, device_of(network)))

    @abstractmethod
    def _measure(self, network: nn.Module, batches: Batches) -> Measurement: ...


class OnDevice:
    """Batches moved to a device as they come.

    Args:
        batches: any re-iterable of batches `(x, y)`; each checked to be a pair of as many inputs as labels.
        device: where they go.
    """

    def __init__(self, batches: Batches, device: torch.device) -> None:
        self.batches = batches
        self.device = device

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in self.batches:
            if not isinstance(batch, tuple | list) or len(batch) != 2 or len(batch[0]) != len(batch[1]):
                raise InputError("data must be batches (x, y) with one label a sample")
            yield batch[0].to(self.device), batch[1].to(self.device)


def first_batch(batches: Batches) -> tuple[Tensor, Tensor]:
    """The first batch of the data.

    Raises:
        InputError: there is none.
    """
    for x, y in batches:
        return x, y
    raise InputError("the data holds no batch: at least one sample is needed")
