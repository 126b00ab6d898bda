"""Representations of low rank: virtual low-rank layers at any layers of a network, gone when it is trained.

Sanyal, Kanade and Torr 2020, "Robustness via Deep Low-Rank Representations"; what is added to the loss is that of
`LowRankLayer`. After some epochs without it, as in the paper, each virtual layer begins from the activations as they
are then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from corank.defend.base import Bounds, Course, Defence, Plan, after_epoch
from corank.defend.low_rank_layer import LowRankLayer, ProjectionName, check_low_rank
from corank.errors import InputError
from corank.measure import Batches, OnDevice, first_batch
from corank.network import Layer, Point, evaluation_mode
from corank.network.hooks import Copies, hooked
from corank.network.points import locate
from corank.network.wrapper import Wrapper
from corank.train.evaluate import device_of

_TOGETHER = 250  # samples that go through the network


class VirtualLayers(Wrapper):
    """A network with a virtual low-rank layer at some of its points, which work in training mode alone.

    In any loop: train this module in the network's place, add `penalty()` to the loss of each batch, and call `project`
    after each step of the optimiser.

    Args:
        network: that is trained; nothing stays in it. It is read at its modules, or where a point lies between modules
            at its graph, which shares its parameters and buffers.
        layer: a name, a glob, the number of a convolution, `"*"` for all hidden layers, or several of these.
        example: a batch of inputs, which finds the points and their widths.
        make: from the name of a point and its number of features to its virtual layer.

    Raises:
        InputError: an unknown layer, or none; an example that is not one tensor.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
        >>> virtual = VirtualLayers(network, "*", torch.zeros(2, 4), lambda name, size: LowRankLayer(size, rank=2))
        >>> logits = virtual.train()(torch.randn(8, 4))
        >>> virtual.penalty().shape, [point.label for point in virtual.points]
        (torch.Size([]), ['1'])
    """

    def __init__(
        self,
        network: nn.Module,
        layer: Layer | Sequence[Layer],
        example: Tensor,
        make: Callable[[str, int], LowRankLayer],
    ) -> None:
        super().__init__()
        if not isinstance(example, Tensor):
            raise InputError(f"virtual layers are for networks that take one tensor, got a {type(example).__name__}")
        wanted = [layer] if isinstance(layer, str | int) else list(layer)
        found = locate(network, wanted, example, is_watched=False)
        self.network = found.network  # the graph, where points lie between modules: it shares the network's tensors
        self.points: tuple[Point, ...] = found.points
        sizes = {name: value[0].numel() for name, value in self.activations(example[:2]).items()}
        self.layers = nn.ModuleList([make(name, size) for name, size in sizes.items()]).to(device_of(network))
        self._order = {point.label: place for place, point in enumerate(found.points)}
        self._terms: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """What the network returns; in training mode the virtual layers see the activations of the batch."""
        self._terms = []
        if not self.training:
            output: Tensor = self.network(x)
            return output
        with hooked(self.network, self.points, self._seen):
            output = self.network(x)
        return output

    def penalty(self) -> Tensor:
        """The sum of what the virtual layers add to the loss of the last batch, a scalar.

        Raises:
            InputError: no batch went through in training mode.
        """
        if not self._terms:
            raise InputError("a penalty is of a batch in training mode, none went through: call train() and forward")
        return torch.stack(self._terms).sum()

    def project(self, now: bool = False) -> None:
        """Take the steps of the virtual layers; see `LowRankLayer.project`."""
        for layer in self.layers:
            layer.project(now)  # type: ignore[operator]

    def start(self, inputs: Tensor) -> None:
        """Begin from the activations of some inputs."""
        for layer, a in zip(self.layers, self.activations(inputs).values(), strict=True):
            layer.start(a)  # type: ignore[operator]

    @torch.no_grad()
    def activations(self, inputs: Tensor) -> dict[str, Tensor]:
        """What the network makes of inputs at each point, in evaluation mode."""
        parts = []
        for part in torch.split(inputs, _TOGETHER):
            kept = Copies()
            with evaluation_mode(self.network), hooked(self.network, self.points, kept):
                self.network(part)
            parts.append(kept.values)
        return {point.label: torch.cat([part[point.label] for part in parts]) for point in self.points}

    def _seen(self, label: str, value: Tensor) -> Tensor:
        self._terms.append(self.layers[self._order[label]](value))
        return value


class _AfterWarmUp(VirtualLayers):
    """Virtual layers that only watch their network train until they are started."""

    is_at_work: Tensor

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.register_buffer("is_at_work", torch.tensor(False))

    def forward(self, x: Tensor) -> Tensor:
        if self.is_at_work:
            return super().forward(x)
        output: Tensor = self.network(x)
        return output

    def term(self, _network: nn.Module) -> Tensor:
        """The penalty for the fitting loop, nothing before the start."""
        return self.penalty() if self.is_at_work else self.is_at_work.to(torch.get_default_dtype())

    def begin(self, inputs: Tensor) -> None:
        self.start(inputs)
        self.is_at_work.fill_(True)


@final
@dataclass(frozen=True, kw_only=True)
class LowRank(Defence):
    """See the module.

    Args:
        layer: a name, a glob, the number of a convolution, `"*"` for all hidden layers, or a tuple of these.
        rank: that the activations of each of these layers are drawn to; or a tuple, one for each entry of `layer`.
        weight: of the distance to the subspace.
        norm_weight: of the distance of the activations' lengths from one.
        every: steps from one projection on the rank to the next.
        step_size: of the virtual layers, as a share of the largest that is stable.
        projection: "sketch", by Gaussian vectors, or "nystrom", the paper's ensemble.
        members: of that ensemble.
        warm_up: epochs before the virtual layers begin; the paper's are 50 of 350.
        start_samples: whose activations they begin from.
        seed: of the projections.

    Raises:
        InputError: an option out of its range; when applied, a layer that is not there or not above the rank.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
        >>> x = torch.randn(64, 4)
        >>> found = LowRank(rank=2).defend(network, [(x, (x[:, 0] > 0).long())], Course(epochs=3))
        >>> type(found.network).__name__, found.history.iterations
        ('Sequential', 3)
    """

    layer: Layer | tuple[Layer, ...] = "*"
    rank: int | tuple[int, ...]
    weight: float = 0.1
    norm_weight: float = 0.1
    every: int = 10
    step_size: float = 0.5
    projection: ProjectionName = "sketch"
    members: int = 5
    warm_up: int = 1
    start_samples: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        for rank in checked_ranks(self.rank, len(self._layers)):
            check_low_rank(
                rank=rank, weight=self.weight, norm_weight=self.norm_weight, every=self.every,
                step_size=self.step_size, projection=self.projection, members=self.members,
            )  # fmt: skip
        if self.warm_up < 0:
            raise InputError(f"warm_up must be at least 0, got {self.warm_up}")
        if self.start_samples < 1:
            raise InputError(f"start_samples must be at least 1, got {self.start_samples}")

    def layer_of(self, features: int, rank: int) -> LowRankLayer:
        """The virtual layer of so many features."""
        return LowRankLayer(
            features, rank=rank, weight=self.weight, norm_weight=self.norm_weight, every=self.every,
            step_size=self.step_size, projection=self.projection, members=self.members, seed=self.seed,
        )  # fmt: skip

    @property
    def _layers(self) -> tuple[Layer, ...]:
        return self.layer if isinstance(self.layer, tuple) else (self.layer,)

    def _plan(self, network: nn.Module, batches: Batches, course: Course, bounds: Bounds) -> Plan:
        if self.warm_up >= course.epochs:
            raise InputError(
                f"warm_up must be below the {course.epochs} epochs of the training, got {self.warm_up}: begin earlier, "
                "or train for longer"
            )
        example, _ = first_batch(OnDevice(batches, device_of(network)))
        rank_of = ranks_by_name(network, self._layers, self.rank, example)
        virtual = _AfterWarmUp(
            network, self.layer, example, lambda name, features: self.layer_of(features, rank_of(name))
        )  # fmt: skip
        start = first_inputs(batches, self.start_samples).to(example.device)
        if self.warm_up == 0:
            virtual.begin(start)

        def optimiser(parameters: Any) -> Optimizer:
            made = course.optimiser(parameters)
            made.register_step_post_hook(lambda *_: virtual.project())
            return made

        def settle(epoch: int) -> None:
            virtual.project(now=True)
            if epoch == self.warm_up:
                virtual.begin(start)

        return Plan(
            network=virtual, plain=lambda: network, course=replace(course, optimiser=optimiser),
            penalties=(virtual.term,), callbacks=(after_epoch(settle),),
        )  # fmt: skip


def checked_ranks(rank: int | tuple[int, ...], layers: int) -> tuple[int, ...]:
    """One rank for all, or one for each of so many layers.

    Raises:
        InputError: as many ranks as there are not layers.

    Example:
        >>> checked_ranks(5, layers=2), checked_ranks((5, 10), layers=2)
        ((5,), (5, 10))
    """
    if isinstance(rank, tuple) and len(rank) != layers:
        raise InputError(f"rank must be one number or one for each of the {layers} layers, got {rank}")
    return rank if isinstance(rank, tuple) else (rank,)


def ranks_by_name(
    network: nn.Module, layers: Sequence[Layer], rank: int | tuple[int, ...], example: Tensor
) -> Callable[[str], int]:
    """From the name of a point to its rank; of two entries that name the same one, the later holds.

    Args:
        network: whose points are named.
        layers: as they are asked for, where each has its rank one by one.
        rank: of all of them, or of each.
        example: a batch of inputs.
    """
    if not isinstance(rank, tuple):
        return lambda name: rank
    own = {
        point.label: each
        for layer, each in zip(layers, rank, strict=True)
        for point in locate(network, [layer], example, is_watched=False).points
    }

    def of(name: str) -> int:
        if name not in own:
            raise InputError(f"layers must be named one by one where each has its rank, got {tuple(layers)}")
        return own[name]

    return of


def first_inputs(batches: Batches, count: int) -> Tensor:
    """The inputs of the first samples, at most so many."""
    parts: list[Tensor] = []
    for x, _ in batches:
        parts.append(x)
        if sum(map(len, parts)) >= count:
            break
    return torch.cat(parts)[:count]
