"""How long networks take, measured side by side.

The networks take turns within one loop, so that a disturbance of the machine meets all of them. A turn is a few calls
of which the first is not timed, for it finds the other network's weights in the caches, as a network in use does not.
The median and the quartiles of the single calls are reported with the number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network.graph import evaluation_mode
from corank.result import Result, Scalar

WARM_UP = 3
MINIMUM_REPEATS = 5
TURN = 5  # timed calls after each other


@dataclass(frozen=True, kw_only=True)
class Latency(Result):
    """The time of one forward pass.

    Attributes:
        batch: samples a call.
        threads: of the processor that were used.
        device: where the network ran.
        median_ms: of the calls.
        low_ms: their first quartile.
        high_ms: their third quartile.
        repeats: how many calls.
    """

    batch: int
    threads: int
    device: str
    median_ms: float
    low_ms: float
    high_ms: float
    repeats: int

    def row(self) -> dict[str, Scalar]:
        """All fields."""
        return self.to_dict()


def latencies(
    networks: Mapping[str, nn.Module], x: Tensor, *, seconds: float = 2.0, repeats: int = 200
) -> dict[str, Latency]:
    """The time of one forward pass of each network on a batch, in evaluation mode.

    Args:
        networks: by name; all take the same input.
        x: `(B, ...)` the batch.
        seconds: about how long all measurements together may take.
        repeats: the largest number of calls of each network.

    Raises:
        InputError: `repeats` is not positive.

    Example:
        >>> found = latencies({"one": nn.Linear(4, 4), "two": nn.Linear(4, 2)}, torch.zeros(1, 4), repeats=5)
        >>> [latency.repeats for latency in found.values()]
        [5, 5]
    """
    if repeats < 1:
        raise InputError(f"repeats must be at least 1, got {repeats}")
    for network in networks.values():
        for _ in range(WARM_UP):
            _time_ms(network, x)
    times: dict[str, list[float]] = {name: [] for name in networks}
    start = time.perf_counter()
    for done in range(0, repeats, TURN):
        if done >= MINIMUM_REPEATS and time.perf_counter() - start > seconds:
            break
        for name, network in networks.items():
            _time_ms(network, x)
            times[name] += [_time_ms(network, x) for _ in range(min(TURN, repeats - done))]
    return {name: _summary(values, x) for name, values in times.items()}


def _time_ms(network: nn.Module, x: Tensor) -> float:
    with evaluation_mode(network), torch.inference_mode():
        _synchronise(x.device)
        start = time.perf_counter()
        network(x)
        _synchronise(x.device)
        return (time.perf_counter() - start) * 1e3


def _synchronise(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _summary(values: list[float], x: Tensor) -> Latency:
    low, median, high = torch.tensor(values).quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
    return Latency(
        batch=len(x), threads=torch.get_num_threads(), device=x.device.type, median_ms=median, low_ms=low,
        high_ms=high, repeats=len(values),
    )  # fmt: skip
