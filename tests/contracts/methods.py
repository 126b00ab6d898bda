"""The methods of the rooms with the smallest options that make them work, and what they leave of a network.

A new method is found in its room. It needs a line here only if it has a required option whose name is not known yet.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import corank.compress
import corank.measure
from corank.compress import Compressor
from corank.discover import methods_of
from corank.measure import Measure
from corank.network import Normalised

OPTIONS: dict[str, Any] = {
    "layer": "network.0", "rank": 2, "epochs": 1, "folds": 2, "multiply_adds_ratio": 1.2, "multiple": 1,
    "target": "macs=1.5x", "trial_steps": 1,
}  # fmt: skip
"""By the name of an option: taken wherever a method has it."""

READ_NO_DATA = {"measure weight-spectrum"}
"""Methods that look at the network alone, beyond the first batch."""

FREE = {"seed"}
"""Numbers that may have any value."""

MEASURES = methods_of(corank.measure, Measure)
COMPRESSORS = methods_of(corank.compress, Compressor)
METHODS: dict[str, tuple[type, str]] = {
    **{f"measure {name}": (method, "measure") for name, method in MEASURES.items()},
    **{f"compress {name}": (method, "compress") for name, method in COMPRESSORS.items()},
}

Data = list[tuple[Tensor, Tensor]]


def options_of(method: type, **changed: Any) -> dict[str, Any]:
    known = {field.name: OPTIONS[field.name] for field in dataclasses.fields(method) if field.name in OPTIONS}
    return {**known, **changed}


def smallest(method: type, **changed: Any) -> Any:
    """The method with its smallest options."""
    return method(**options_of(method, **changed))


def result_of(name: str, network: nn.Module, batches: Any, **changed: Any) -> Any:
    method, verb = METHODS[name]
    return getattr(smallest(method, **changed), verb)(network, batches)


def numeric_options(method: type) -> dict[str, type]:
    """The options that are a number or none, by their type."""
    found: dict[str, type] = {}
    for name, hint in typing.get_type_hints(method).items():
        kinds = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}
        kinds -= {type(None)}
        if name not in FREE and kinds in ({int}, {float}):
            found[name] = kinds.pop()
    return found


class Inner(nn.Module):
    """Convolutions, batch norm, dropout, an in-place activation, functional operations and a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=True)),
            nn.Dropout(0.1),
            nn.Conv2d(3, 3, 3, padding=1),
        )
        self.last = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.network[0](x)
        x = torch.relu(self.network[2](self.network[1](x)) + x)
        return self.last(nn.functional.max_pool2d(x, 2).flatten(1))


def lively() -> nn.Module:
    """A network with all that a method could disturb: mixed modes, hooks, gradients, frozen parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(8)
        network = Normalised(Inner(), [0.4], [0.3]).train()
        network(torch.rand(20, 1, 4, 4))  # running statistics of its own
    inner = network.network
    inner.network[1].eval()
    inner.network[2].bias.requires_grad_(False)
    inner.last.weight.grad = torch.ones_like(inner.last.weight)
    inner.network[2].register_forward_hook(lambda *_: None)
    inner.register_buffer("unsaved", torch.tensor([float("nan")]), persistent=False)
    return network


def data(batches: int = 4, size: int = 16) -> Data:
    chance = torch.Generator().manual_seed(6)
    return [
        (torch.rand(size, 1, 4, 4, generator=chance), torch.randint(4, (size,), generator=chance))
        for _ in range(batches)
    ]


@dataclass(frozen=True)
class Snapshot:
    """All that a caller can see of a network, by value."""

    modules: list[Any]
    tensors: list[Any]

    @classmethod
    def of(cls, network: nn.Module) -> Snapshot:
        modules = [(name, module, module.training, _hooks(module)) for name, module in network.named_modules()]
        tensors = [
            (name, id(value), value.dtype, value.requires_grad, _bits(value), _bits(value.grad))
            for name, value in (*network.named_parameters(), *network.named_buffers())
        ]
        return cls(modules, tensors)


def _bits(value: Tensor | None) -> bytes | None:
    return None if value is None else value.detach().numpy().tobytes()


def _hooks(module: nn.Module) -> dict[str, list[int]]:
    return {key: list(value) for key, value in vars(module).items() if key.endswith("hooks") and value is not None}


def leaves(value: Any) -> Iterator[Any]:
    """Every number and tensor of a result."""
    if isinstance(value, nn.Module):
        yield from value.parameters()
        yield from value.buffers()
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name))
    elif isinstance(value, dict):
        yield from (leaf for item in value.values() for leaf in leaves(item))
    elif isinstance(value, list | tuple):
        yield from (leaf for item in value for leaf in leaves(item))
    else:
        yield value


def timeless(value: Any) -> Any:
    """Without what a clock says."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if not key.endswith("seconds")}
    return [timeless(item) for item in value] if isinstance(value, list) else value
