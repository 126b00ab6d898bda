"""The steps of an epoch: rates, perturbed inputs, loss, gradients over all processes, and the running sums.

The objective of a batch runs inside one module that the devices set up, so that precision and processes wrap
whatever the objective does, while every callable is given the caller's own network with its own names.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from corank.errors import InputError
from corank.network import GraphNetwork
from corank.network.layers import kind_of
from corank.train.devices import Devices, shard
from corank.train.evaluate import Batches, right_answers
from corank.train.history import EpochRow
from corank.train.objectives import Objective
from corank.train.progress import Advance
from corank.train.randomness import derived_seed, drawn_with, seed_device

Penalties = Sequence[Callable[[nn.Module], Tensor]]
Perturb = Callable[[nn.Module, Tensor, Tensor], Tensor]
Schedule = Callable[[float], float]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a step minimises: the objective on perturbed inputs, plus penalties."""

    objective: Objective
    penalties: Penalties
    perturb: Perturb | None


class Loop:
    """One training, epoch by epoch; holds what does not change between the steps.

    Args:
        network: trained in place.
        optimiser: over its parameters, with each group's own rate.
        devices: where to compute; the network and the optimiser are set up with it.
        terms: what is minimised.
        epochs: how many there will be.
        steps: how many an epoch has.
        seed: of data and noise.
    """

    def __init__(
        self,
        network: nn.Module,
        optimiser: Optimizer,
        devices: Devices,
        terms: Terms,
        *,
        epochs: int,
        steps: int,
        seed: int,
    ) -> None:
        self.network = network
        self.devices = devices
        self.terms = terms
        self.epochs = epochs
        self.steps = steps
        self.seed = seed
        self.optimiser = optimiser
        self.base_rates = [float(group["lr"]) for group in optimiser.param_groups]
        self._has_batch_norm = any(_normalises_batches(module) for module in network.modules())
        self.objective, self.ready_optimiser = devices.setup(_Step(network, terms.objective), optimiser)

    def epoch(self, batches: Batches, epoch: int, schedule: Schedule, advance: Advance) -> EpochRow:
        """One pass over the batches.

        Args:
            batches: of the training.
            epoch: counts from 0.
            schedule: from the progress of the whole training to the factor of the rates.
            advance: told of each step.
        """
        start = time.perf_counter()
        if hasattr(batches, "set_epoch"):
            batches.set_epoch(epoch)
        rank = self.devices.global_rank
        seed_device(derived_seed(self.seed, epoch, "noise", rank), self.devices.device)
        self.network.train()
        sums = _Sums()
        with _last_output(self.network) as outputs:
            for step, (x, y) in enumerate(drawn_with(derived_seed(self.seed, epoch, "data"), batches)):
                if len(x) == 1 < sums.largest and self._has_batch_norm:  # which has no variance of one sample
                    continue
                progress = (epoch * self.steps + step + 0.5) / (self.epochs * self.steps)
                rate = self._set_rates(schedule(min(progress, 1.0)))
                where = f"epoch {epoch + 1}, step {step + 1}, learning rate {rate:.3g}"
                loss, hits = self._step(x, y, outputs, where)
                sums.add(loss, hits, len(x), y.numel())
                advance(epoch + 1, loss, rate)
        if not sums.samples:
            raise InputError(f"the batches hold no samples in epoch {epoch + 1}: give some in every epoch")
        return EpochRow(
            epoch=epoch + 1,
            loss=sums.loss / sums.samples,
            accuracy=None if sums.hits is None else sums.hits / sums.labels,
            learning_rate=rate,
            seconds=time.perf_counter() - start,
        )

    def _step(self, x: Tensor, y: Tensor, outputs: list[Tensor], where: str) -> tuple[float, float | None]:
        """One gradient step; the loss and the number of right answers over all processes."""
        part = shard(x, y, self.devices.global_rank, self.devices.world_size)
        x, y = (tensor.to(self.devices.device, non_blocking=True) for tensor in (part.x, part.y))
        if self.terms.perturb is not None:
            with self.devices.autocast():
                x = self.terms.perturb(self.network, x, y).detach()
        self.ready_optimiser.zero_grad()
        outputs.clear()
        loss = self.objective(x, y)
        if not isinstance(loss, Tensor) or loss.ndim:
            raise InputError(f"the objective must return a scalar tensor, got {getattr(loss, 'shape', loss)}")
        loss = part.weight * loss
        for penalty in self.terms.penalties:
            loss = loss + penalty(self.network)
        hits = right_answers(outputs[-1] if outputs else None, y)
        value, all_hits = self._over_processes(loss.detach(), hits if part.weight else 0)
        if not math.isfinite(value):
            raise InputError(
                f"the loss became {value} in {where}: lower the learning rate or look for non-finite "
                "inputs; a checkpoint holds the last good epoch"
            )
        self.devices.backward(loss)
        self.ready_optimiser.step()
        return value, None if hits is None else all_hits

    def _over_processes(self, loss: Tensor, hits: Tensor | int | None) -> tuple[float, float]:
        counted = torch.as_tensor(hits or 0, dtype=torch.float64, device=loss.device)
        totals = self.devices.all_reduce(torch.stack([loss.double(), counted]), reduce_op="sum").tolist()
        return totals[0] / self.devices.world_size, totals[1]

    def _set_rates(self, factor: float) -> float:
        groups = self.optimiser.param_groups  # new ones after a resumption
        for group, base_rate in zip(groups, self.base_rates, strict=True):
            group["lr"] = base_rate * factor
        return float(groups[0]["lr"])


def _normalises_batches(module: nn.Module) -> bool:
    if isinstance(module, GraphNetwork):
        return any(kind_of(node) == "batch_norm" for node in module.graph.nodes)
    return isinstance(module, _BatchNorm)


class _Step(nn.Module):
    """The objective of a batch as a module."""

    def __init__(self, network: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.network = network
        self._objective: Callable[[Tensor, Tensor], Tensor] = lambda x, y: objective(network, x, y)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self._objective(x, y)


@dataclass
class _Sums:
    """The running sums of an epoch; `hits` turns None where outputs are not class scores."""

    loss: float = 0.0
    hits: float | None = 0.0
    samples: int = 0
    labels: int = 0
    largest: int = 0  # of the batches

    def add(self, loss: float, hits: float | None, samples: int, labels: int) -> None:
        self.loss += loss * samples
        self.hits = None if hits is None or self.hits is None else self.hits + hits
        self.samples += samples
        self.labels += labels
        self.largest = max(self.largest, samples)


@contextmanager
def _last_output(network: nn.Module) -> Iterator[list[Tensor]]:
    """A list that holds what the network gave last: so the training accuracy costs no second pass."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            outputs[:] = [output.detach()]

    handle = network.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()
