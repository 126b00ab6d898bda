"""Hooks on the modules of a running network, gone when it has run.

This, `through` and `seen` are the only places of the library that read layers by hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from corank.errors import InputError, near
from corank.network.layers import Point
from corank.network.wrapper import unwrapped

Keep = Callable[[str, Tensor], Tensor]
"""Takes a point's label and value, returns what the network goes on with."""


def module_at(network: nn.Module, path: str) -> nn.Module:
    """The submodule of that name, looked up inside wrappers.

    Raises:
        InputError: there is none; near names are listed.
    """
    inner = unwrapped(network)
    try:
        return inner.get_submodule(path)
    except AttributeError:
        names = [name for name, _ in inner.named_modules() if name]
        raise InputError(f"no layer {path!r} in the network: {near(path, names)}") from None


@contextmanager
def hooked(network: nn.Module, points: Sequence[Point], keep: Keep) -> Iterator[None]:
    """Pass the value at every point through `keep` while the network runs once."""
    handles = []
    by_path: dict[str, dict[int, str]] = {}
    for point in points:
        assert point.call is not None
        by_path.setdefault(point.call.path, {})[point.call.order] = point.label
    for path, orders in by_path.items():
        handles.append(module_at(network, path).register_forward_hook(_hook(path, orders, keep)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Copies:
    """Keeps a copy of every value, which later operations in place do not change."""

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}

    def __call__(self, label: str, value: Tensor) -> Tensor:
        """Keep a value."""
        self.values[label] = value.clone()
        return value


class Sources:
    """Keeps every value as something to differentiate by; autograd does not go back beyond the earliest."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Tensor, int]] = {}

    def __call__(self, label: str, value: Tensor) -> Tensor:
        """Keep a value; the network goes on with a copy, on which it may work in place.

        Raises:
            InputError: a value of whole numbers.
        """
        if not value.is_floating_point():
            raise InputError(f"layer {label!r} gives {value.dtype}, which has no gradient: name a later layer")
        source = value if value.requires_grad else value.detach().requires_grad_()
        self._kept[label] = source, source._version
        return source.clone()

    @property
    def values(self) -> dict[str, Tensor]:
        """The values, once the network has run.

        Raises:
            InputError: one was changed in place since, under another name than the layer's output.
        """
        for label, (source, version) in self._kept.items():
            if source._version != version:
                raise InputError(
                    f"the output of layer {label!r} is also changed in place under another name: name a layer near it"
                )
        return {label: source for label, (source, _) in self._kept.items()}


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """No parameter has a gradient for a while."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def module_by_module() -> Iterator[None]:
    """Encoders of transformers run their layers, instead of one fused operation that no hook sees."""
    was_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_enabled)


def read_part(output: Any) -> Any:
    """What is read of a module's output: the output, or its first part where it is a tuple, as of a recurrent layer."""
    return output[0] if isinstance(output, tuple) and output else output


def _hook(path: str, orders: dict[int, str], keep: Keep) -> Callable[..., Any]:
    """A forward hook that passes those calls of a module through `keep` whose number is wanted.

    A label without a number stands for the only call.
    """
    count = -1

    def hook(module: nn.Module, inputs: object, output: Any) -> Any:
        nonlocal count
        count += 1
        if count == 1 and orders.get(0) == path:
            raise InputError(f"layer {path!r} is called several times: name one of {path}@0, {path}@1 and so on")
        label = orders.get(count)
        if label is None:
            return None
        value = read_part(output)
        if not isinstance(value, Tensor):
            raise InputError(f"the output of layer {label!r} must be one tensor, got {type(output).__name__}")
        kept = keep(label, value)
        return kept if value is output else _with_first(output, kept)

    return hook


def _with_first(parts: Any, first: Tensor) -> Any:
    """A tuple, perhaps a named one, with another first part."""
    changed = (first, *parts[1:])
    return type(parts)(*changed) if hasattr(parts, "_fields") else changed
