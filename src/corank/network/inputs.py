"""What a network takes: one tensor, several, or several by name, the batch first in each.

A mapping may be of any class, so that the batches of tokenisers pass as they are; parts of one are dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from corank.errors import InputError

Inputs = Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]
"""One tensor, tensors by position, or tensors by name; each `(B, ...)`."""

Given = TypeVar("Given", bound=Inputs)


def batch_size(x: Inputs) -> int:
    """How many samples a batch holds.

    Example:
        >>> batch_size({"tokens": torch.zeros(4, 7), "mask": torch.ones(4, 7)})
        4
    """
    return len(tensors_in(x)[0])


def tensors_in(x: Inputs) -> tuple[Tensor, ...]:
    """The tensors of a batch, in order."""
    if isinstance(x, Tensor):
        return (x,)
    return tuple(x.values()) if isinstance(x, Mapping) else tuple(x)


def select(x: Given, chosen: Tensor | slice) -> Given:
    """The samples of a batch that a mask, indices or a slice choose.

    Example:
        >>> select((torch.tensor([1, 2, 3]), torch.tensor([4, 5, 6])), slice(1, 3))
        (tensor([2, 3]), tensor([5, 6]))
    """

    def part(tensor: Tensor) -> Tensor:
        return tensor[chosen.to(tensor.device) if isinstance(chosen, Tensor) else chosen]

    return _each(part, x)


def to_device(x: Given, device: torch.device | str) -> Given:
    """A batch on a device."""
    return _each(lambda tensor: tensor.to(device), x)


def concatenate(batches: Sequence[Given]) -> Given:
    """One batch of the samples of several, which have the same parts.

    Raises:
        InputError: no batches, or batches of other parts or sample shapes than the first.

    Example:
        >>> concatenate([{"x": torch.zeros(2, 3)}, {"x": torch.ones(1, 3)}])["x"].shape
        torch.Size([3, 3])
    """
    if not batches:
        raise InputError("expected at least one batch to concatenate, got none")
    first = batches[0]
    for other in batches[1:]:
        if _form(other) != _form(first):
            raise InputError(f"batches must have the same parts, got {described(first)} and {described(other)}")
    columns = iter([torch.cat(parts) for parts in zip(*(tensors_in(batch) for batch in batches), strict=True)])
    return _each(lambda _: next(columns), first)


def described(x: Inputs) -> str:
    """Shapes and types in words.

    Example:
        >>> described({"tokens": torch.zeros(4, 7, dtype=torch.int64), "mask": torch.ones(4, 7)})
        'tokens (4, 7) of torch.int64, mask (4, 7) of torch.float32'
    """
    words = [f"{tuple(tensor.shape)} of {tensor.dtype}" for tensor in tensors_in(x)]
    named = [f"{name} {word}" for name, word in zip(x, words, strict=True)] if isinstance(x, Mapping) else words
    return ", ".join(named)


def check_inputs(x: object) -> None:
    """Refuse what is no batch of inputs.

    Raises:
        InputError: no tensor, tuple or mapping of tensors; no samples; or numbers of samples that differ.

    Example:
        >>> check_inputs((torch.zeros(3, 2), torch.zeros(4)))
        Traceback (most recent call last):
        corank.errors.InputError: inputs must have one number of samples, got (3, 2) of torch.float32, (4,) of
        torch.float32: put the batch first in each
    """
    if not isinstance(x, Tensor | tuple | list | Mapping):
        raise InputError(f"inputs must be a tensor, or a tuple or mapping of tensors, got {type(x).__name__}")
    parts = [x] if isinstance(x, Tensor) else list(x.values() if isinstance(x, Mapping) else x)
    wrong = [type(part).__name__ for part in parts if not isinstance(part, Tensor)]
    if wrong or not parts:
        raise InputError(f"inputs must be tensors, got {wrong[0] if wrong else f'an empty {type(x).__name__}'}")
    sizes = {tensor.shape[:1] for tensor in parts}
    if len(sizes) > 1 or () in sizes:
        raise InputError(f"inputs must have one number of samples, got {described(x)}: put the batch first in each")  # type: ignore[arg-type]


def _form(x: Inputs) -> tuple[object, ...]:
    names = tuple(x) if isinstance(x, Mapping) else type(x) if isinstance(x, Tensor) else tuple
    return names, [tensor.shape[1:] for tensor in tensors_in(x)]


def _each(change: Callable[[Tensor], Tensor], x: Given) -> Given:
    """A batch of the same form with every tensor changed."""
    if isinstance(x, Tensor):
        return change(x)  # type: ignore[return-value]
    if isinstance(x, Mapping):
        return {name: change(tensor) for name, tensor in x.items()}  # type: ignore[return-value]
    return tuple(change(tensor) for tensor in x)  # type: ignore[return-value]


def in_full_precision(values: Tensor) -> Tensor:
    """Values in single precision, or in double precision where they are."""
    return values if values.dtype == torch.float64 else values.float()
