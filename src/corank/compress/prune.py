"""Channel pruning by Torch-Pruning, to a target that is met, and recovery by distillation.

Torch-Pruning (Fang et al. 2023, DepGraph: Towards Any Structural Pruning) knows which channels must go together and
what they are worth. Here the share that goes is found from the target: of the networks between the whole and the
narrowest one the widest that meets it is taken, by bisection. No layer is removed: where depth is what costs time, cut
the network, and let this narrow what is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from corank.compress.base import Compressed, Compressor
from corank.compress.checks import check_at_least, check_between, check_one_of, check_positive
from corank.compress.fine_tuning import ByDistillation, recovered
from corank.compress.pruning import ImportanceName, Scope, pruning_path
from corank.errors import InputError
from corank.measure import Batches, OnDevice, first_batch
from corank.measure.base import taking
from corank.measure.labelling import check_labels
from corank.network import Cost, GraphNetwork, Layer, Skipped, capture, cost, evaluation_mode, weighted_layers
from corank.network.weighted import CONVOLUTION, LINEAR, TRANSPOSED
from corank.result import Scalar
from corank.train import Checkpoint
from corank.train.evaluate import device_of

Target = Literal["multiply_adds_ratio", "parameters_ratio"]
IN_WORDS: dict[Target, str] = {"multiply_adds_ratio": "multiply-adds", "parameters_ratio": "parameters"}


@dataclass(frozen=True, kw_only=True)
class Width:
    """How many outputs a layer had and has."""

    layer: str
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class Pruned(Compressed):
    """A network of narrower layers.

    Attributes:
        network: the narrower network, of the same operations.
        fitted: the same before recovery; without that the network itself.
        target: what was to be smaller, "multiply_adds_ratio" or "parameters_ratio".
        asked: how many times smaller.
        reached: how many times smaller it is.
        reached_wider: the same for the next wider network, which is not small enough.
        importance: by which channels were chosen.
        scope: in which they were compared.
        layer: the last one that was narrowed for its own sake; null for all.
        widths: of every convolution and linear map, in order of the network.
        left: layers whose outputs could not be narrowed, and why.
    """

    target: Target
    asked: float
    reached: float
    reached_wider: float
    importance: ImportanceName
    scope: Scope
    layer: str | None
    widths: tuple[Width, ...]
    left: tuple[Skipped, ...]

    @property
    def manner(self) -> str:
        """How much was pruned away."""
        return f"pruned to {self.reached:.2f}x fewer {IN_WORDS[self.target]}"

    @property
    def goal(self) -> dict[str, Scalar]:
        """What was to be smaller, and how many times."""
        return {self.target: self.asked}

    @property
    def why(self) -> str:
        """What was narrowed, what was left and why."""
        narrower = [width for width in self.widths if width.after < width.before]
        where = "" if self.layer is None else f" up to {self.layer}"
        then = "" if self.training is None else ", and the whole was fine-tuned"
        by_reason: dict[str, list[str]] = {}
        for one in self.left:
            by_reason.setdefault(one.reason, []).append(one.layer)
        left = "".join(f"; left as wide as it was: {_some(names)} ({reason})" for reason, names in by_reason.items())
        return (
            f"{len(narrower)} of {len(self.widths)} layers{where} lost their channels of the least {self.importance} "
            f"importance, {self.scope} over the layers{then}{left}"
        )

    def row(self) -> dict[str, Scalar]:
        """How channels were chosen, what was asked, and the cost that was reached."""
        return {
            "importance": self.importance, "scope": self.scope, "layer": self.layer, "target": self.target,
            "asked": self.asked, "reached": self.reached, **super().row(),
        }  # fmt: skip


@final
@dataclass(frozen=True, kw_only=True)
class Prune(Compressor[Pruned]):
    """Remove the least important channels until the network is so many times smaller, and fine-tune by distillation.

    Needs the extra `prune`. Exactly one target is given. Channels that an addition or a concatenation ties together
    leave together; those that cannot leave (the logits, channels that are padded, or normalised with others) stay, and
    the result tells them.

    Args:
        multiply_adds_ratio: how many times fewer multiply-adds are wanted.
        parameters_ratio: how many times fewer parameters are wanted.
        scope: "uniform" narrows all layers by the same share, "global" takes the channels that are least important,
            relative to the mean of their layer, wherever they are.
        importance: "l1" or "l2", of the weights that make, scale and read a channel; "batch-norm", of its scale; or
            "taylor", what the loss changes without it to first order, by the gradient on about 2,048 samples.
        multiple: of which widths are, where they change; 1 meets the target closest, 8 is fast on most processors.
        layer: the last layer to be narrowed, as before a cut there; None for all but the logits.
        epochs: of recovery; 0 leaves the pruned network as it is.
        beta: weight of the original network's probabilities against the labels.
        learning_rate: step size of Adam, which falls by half a cosine.
        seed: of the training.

    Raises:
        InputError: an option out of its range, no target, or two; from `compress` also that Torch-Pruning is not
            installed, that nothing can be pruned, or a target that cannot be met.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
        >>> data = [(torch.randn(32, 6), torch.randint(3, (32,))) for _ in range(10)]
        >>> small = Prune(multiply_adds_ratio=2, epochs=0).compress(net, data)
        >>> [width.after for width in small.widths], round(small.reached, 2), round(small.reached_wider, 2)
        ([48, 40, 3], 2.01, 1.71)
    """

    multiply_adds_ratio: float | None = None
    parameters_ratio: float | None = None
    scope: Scope = "uniform"
    importance: ImportanceName = "l1"
    multiple: int = 8
    layer: Layer | None = None
    epochs: int = 5
    beta: float = 0.1
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in get_args(Target):
            value = getattr(self, name)
            if value is not None and not 1 < value < math.inf:
                raise InputError(f"{name} must be more than 1 and finite, got {value}")
        if (self.multiply_adds_ratio is None) == (self.parameters_ratio is None):
            got = "none" if self.multiply_adds_ratio is None else "both"
            raise InputError(f"one of multiply_adds_ratio and parameters_ratio must be given, got {got}")
        check_one_of(get_args(Scope), scope=self.scope)
        check_one_of(get_args(ImportanceName), importance=self.importance)
        check_at_least(1, multiple=self.multiple)
        check_at_least(0, epochs=self.epochs)
        check_between(0, 1, beta=self.beta)
        check_positive(learning_rate=self.learning_rate)

    def _compress(
        self, network: nn.Module, batches: Batches, validation: Batches | None, checkpoint: Checkpoint | None
    ) -> Pruned:
        there = OnDevice(batches, device_of(network))
        example, _ = first_batch(there)
        if self.epochs or self.importance == "taylor":
            _check(network, there, example)
        graph = capture(network, example)
        path = pruning_path(
            graph, example, scope=self.scope, importance=self.importance, multiple=self.multiple, layer=self.layer,
            batches=batches,
        )  # fmt: skip

        def size(of: GraphNetwork) -> int:
            return self._size(cost(of, example.shape[1:], example.dtype))

        whole = size(graph)
        found = path.widest(lambda small: whole / size(small) >= self._asked)
        if found is None:
            raise self._unreachable(whole / size(path.network(-1)))
        assert found.larger is not None, "the whole network is as large as itself"
        tuning = ByDistillation(beta=self.beta, pre_rate=self.learning_rate, head_rate=self.learning_rate)
        small, training = recovered(
            found.network, network, batches, tuning, epochs=self.epochs, of="pruned", validation=validation,
            checkpoint=checkpoint, seed=self.seed,
        )  # fmt: skip
        nothing = Cost(parameters=0, storage_bytes=0, multiply_adds=0)  # the base counts
        return Pruned(
            network=small,
            fitted=found.network,
            training=training,
            original=nothing,
            overall=nothing,
            target=self._target,
            asked=self._asked,
            reached=whole / size(found.network),
            reached_wider=whole / size(found.larger),
            importance=self.importance,
            scope=self.scope,
            layer=None if self.layer is None else str(self.layer),
            widths=_widths(graph, small),
            left=path.left,
        )

    @property
    def _target(self) -> Target:
        return "parameters_ratio" if self.multiply_adds_ratio is None else "multiply_adds_ratio"

    @property
    def _asked(self) -> float:
        return float(getattr(self, self._target))

    def _size(self, of: Cost) -> int:
        return of.parameters if self._target == "parameters_ratio" else of.multiply_adds

    def _unreachable(self, most: float) -> InputError:
        return InputError(
            f"{self._target} can be at most {math.floor(100 * most) / 100:.2f} here with widths in multiples of "
            f"{self.multiple}, got {self._asked}: ask for less, a smaller multiple, or cut the network"
        )


def _some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _check(network: nn.Module, batches: OnDevice, first: Tensor) -> None:
    """Go through the data before the work begins.

    Raises:
        InputError: a batch that the network does not take, or a label that names no class.
    """
    with torch.no_grad(), evaluation_mode(network):
        classes = network(first[:1]).shape[1]
        for number, (x, y) in enumerate(batches):
            with taking(number, x, first):
                if x.shape[1:] != first.shape[1:]:
                    network(x[:1])
            try:
                check_labels(y, classes)
            except InputError as error:
                raise InputError(f"batch {number}: {error}") from error


def _widths(before: GraphNetwork, after: GraphNetwork) -> tuple[Width, ...]:
    pairs = zip(weighted_layers(before), weighted_layers(after), strict=True)
    return tuple(
        Width(layer=one.name, before=len(one.matrix), after=len(other.matrix))
        for one, other in pairs
        if one.kind in (LINEAR, CONVOLUTION, TRANSPOSED)
    )
