"""The proof that a method gave the caller's network back as it found it.

A method's base wraps its work in `unchanged`; what it finds is a defect of the method, not of the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def unchanged(network: nn.Module) -> Iterator[None]:
    """Assert that a network leaves the block with its tensors, modes, gradients and hooks as they were.

    It is asserted too where the block ends by an error, which then is the cause of the assertion.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> with unchanged(net):
        ...     _ = net.weight.data.zero_()
        Traceback (most recent call last):
        AssertionError: the method changed the caller's network: values of weight
    """
    before = _state(network)
    alive = [*network.modules(), *network.parameters()]  # so that no new object can take the place of an old one
    try:
        yield
    except Exception as error:
        _compare(before, _state(network), error)
        raise
    _compare(before, _state(network), None)
    del alive


def _compare(before: dict[str, object], after: dict[str, object], cause: Exception | None) -> None:
    names = [name for name in {**before, **after} if not _same(before.get(name), after.get(name))]
    if names:
        raise AssertionError(f"the method changed the caller's network: {', '.join(names[:5])}") from cause


def _same(one: object, other: object) -> bool:
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return one is other or (not isinstance(one, torch.Tensor) and one == other)
    is_alike = (one.dtype, one.device, one.shape) == (other.dtype, other.device, other.shape)
    return is_alike and torch.equal(_bits(one), _bits(other))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor, in which a number that is not one equals itself."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _state(network: nn.Module) -> dict[str, object]:
    """Which modules there are, their modes and hooks, all values, and what autograd knows of every parameter."""
    modules = {
        f"module, mode or hooks of {name or 'the network'}": (
            id(module),
            module.training,
            [len(getattr(module, kind)) for kind in HOOKS],
        )
        for name, module in network.named_modules()
    }
    parameters = dict(network.named_parameters())
    identities = {
        f"object of {name}": (id(parameter), parameter.requires_grad) for name, parameter in parameters.items()
    }
    values = {f"values of {name}": value for name, value in {**parameters, **dict(network.named_buffers())}.items()}
    gradients = {f"gradient of {name}": parameter.grad for name, parameter in parameters.items()}
    kept = {name: value if value is None else value.detach().clone() for name, value in {**values, **gradients}.items()}
    return {**modules, **identities, **kept}
