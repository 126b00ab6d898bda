"""A real low-rank layer, through which activations pass: the baseline that the virtual layer is judged by.

`a W + c` with W of rank r in two factors, learnt with the network (Sanyal, Kanade and Torr 2020, "Robustness via Deep
Low-Rank Representations", app. A, "Bottleneck LR Layer"; Bottle-LR in Tables 1 and 7). It stays when the network
predicts. It begins as the projection on the leading directions of the activations about their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from corank.defend.base import Bounds, Course, Defence, Plan
from corank.defend.low_rank import checked_ranks, first_inputs, ranks_by_name
from corank.errors import InputError
from corank.linalg.small_gram import leading_factors
from corank.measure import Batches, OnDevice, first_batch
from corank.network import GraphNetwork, Layer, Reader, unwrapped
from corank.network.points import locate
from corank.train.evaluate import device_of


class Bottleneck(nn.Module):
    """Two linear maps, through r features and back, of activations of any shape.

    Args:
        activations: shape (n, ...), whose leading directions it begins with.
        rank: r.

    Example:
        >>> bottleneck = Bottleneck(torch.randn(20, 2, 3), rank=2)
        >>> bottleneck(torch.zeros(4, 2, 3)).shape
        torch.Size([4, 2, 3])
    """

    def __init__(self, activations: Tensor, rank: int) -> None:
        super().__init__()
        a = activations.flatten(1)
        mean = a.mean(0)
        _, directions = leading_factors(a - mean, limit=rank)
        self.down = nn.Linear(a.shape[1], rank, bias=False, device=a.device, dtype=a.dtype)
        self.up = nn.Linear(rank, a.shape[1], device=a.device, dtype=a.dtype)
        with torch.no_grad():
            self.down.weight.zero_()[: len(directions)] = directions
            self.up.weight.zero_()[:, : len(directions)] = directions.T
            self.up.bias.zero_()
            self.up.bias.copy_(mean - self.up(self.down(mean[None]))[0])

    def forward(self, activations: Tensor) -> Tensor:
        """Activations of rank r, about a mean."""
        passed: Tensor = self.up(self.down(activations.flatten(1)))
        return passed.reshape(activations.shape)


@final
@dataclass(frozen=True, kw_only=True)
class BottleLowRank(Defence):
    """See the module.

    Args:
        layer: a name, a glob, the number of a convolution, `"*"` for all hidden layers, or a tuple of these.
        rank: r, of every one of them; or a tuple, one for each entry of `layer`.
        start_samples: whose activations the layers begin from.

    Raises:
        InputError: an option out of its range; when applied, a layer that is not there or not above the rank.

    Example:
        >>> from corank.defend import Course
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
        >>> x = torch.randn(64, 4)
        >>> found = BottleLowRank(rank=2).defend(network, [(x, (x[:, 0] > 0).long())], Course(epochs=2)).network
        >>> [type(module).__name__ for module in found[1]]
        ['ReLU', 'Bottleneck']
    """

    layer: Layer | tuple[Layer, ...] = "*"
    rank: int | tuple[int, ...]
    start_samples: int = 1024

    def __post_init__(self) -> None:
        ranks = checked_ranks(self.rank, len(self._layers))
        for name, value in (("rank", min(ranks)), ("start_samples", self.start_samples)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")

    @property
    def _layers(self) -> tuple[Layer, ...]:
        return self.layer if isinstance(self.layer, tuple) else (self.layer,)

    def _plan(self, network: nn.Module, batches: Batches, course: Course, bounds: Bounds) -> Plan:
        if isinstance(unwrapped(network), GraphNetwork):
            raise InputError("a bottleneck is put behind a module, the network is a graph without modules")
        example, _ = first_batch(OnDevice(batches, device_of(network)))
        found = locate(network, self._layers, example, is_watched=False)
        rank_of = ranks_by_name(network, self._layers, self.rank, example)
        start = first_inputs(batches, self.start_samples).to(example.device)
        for point in found.points:  # one after the other: each begins from what those before it leave
            if found.network is not network or point.call is None or point.call.order:
                raise InputError(f"a bottleneck is put behind modules that run once, {self.layer!r} means others too")
            path, rank = point.call.path, rank_of(point.label)
            a = Reader(network, [point.label], start[:2]).read(start).activations[point.label]
            if rank >= a[0].numel():
                raise InputError(f"rank must be below the {a[0].numel()} features of {point.label!r}, got {rank}")
            _put_behind(unwrapped(network), path, Bottleneck(a, rank))
        return Plan(network=network, plain=lambda: network, course=course)


def _put_behind(network: nn.Module, path: str, bottleneck: Bottleneck) -> None:
    """Replace a module by itself with a bottleneck behind it."""
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, nn.Sequential(network.get_submodule(path), bottleneck))
