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

    Example:
        >>> net = nn.Linear(2, 2)
        >>> with unchanged(net):
        ...     _ = net.weight.data.zero_()
        Traceback (most recent call last):
        AssertionError: the method changed the caller's network: weight
    """
    tensors = {name: tensor.detach().clone() for name, tensor in network.state_dict(keep_vars=True).items()}
    state = _state(network)
    yield
    after = network.state_dict(keep_vars=True)
    changed = [name for name in tensors if name not in after or not _same(tensors[name], after[name].detach())]
    changed += [name for name in after if name not in tensors]
    changed += [name for name, value in _state(network).items() if state.get(name) != value]
    assert not changed, f"the method changed the caller's network: {', '.join(changed[:5])}"


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.equal(one.nan_to_num(), other.nan_to_num()))


def _state(network: nn.Module) -> dict[str, object]:
    """Modes and hooks of every module, and what autograd knows of every parameter."""
    modules = {
        f"mode or hooks of {name or 'the network'}": (module.training, [len(getattr(module, kind)) for kind in HOOKS])
        for name, module in network.named_modules()
    }
    gradients = {
        f"gradient of {name}": (parameter.requires_grad, id(parameter.grad) if parameter.grad is not None else None)
        for name, parameter in network.named_parameters()
    }
    return {**modules, **gradients}
