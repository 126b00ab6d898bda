"""The tensors that a field has gradients in, found by evaluating it once.

A module names its parameters. A function does not, but what its value at the first time was computed from is in
autograd's graph: every leaf tensor there is one. So no list has to be given, and a tensor that was computed outside
the field, which an adjoint method cannot reach, is an error instead of a gradient that is silently missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

from corank.errors import InputError
from corank.ode.field import Field, FlatField


def modules_of(field: Field) -> tuple[nn.Module, ...]:
    """The modules that a field is, is a method of, or closes over."""
    found: dict[int, nn.Module] = {}
    waiting: list[Any] = [field]
    while waiting:
        item = waiting.pop()
        if isinstance(item, nn.Module):
            found.setdefault(id(item), item)
        elif isinstance(item, partial):
            waiting += [item.func, *item.args, *item.keywords.values()]
        elif hasattr(item, "__self__") and isinstance(item.__self__, nn.Module):
            waiting.append(item.__self__)
        elif getattr(item, "__closure__", None):
            waiting += [cell.cell_contents for cell in item.__closure__ if _is_filled(cell)]
    return tuple(found.values())


def discovered(
    field: FlatField, y0: Tensor, t: float, modules: Sequence[nn.Module]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The derivative at the first time, and all tensors that the field has gradients in.

    Raises:
        InputError: the field uses a tensor that was computed outside it and requires a gradient, or is transformed.
    """
    with torch.enable_grad():
        y = y0.detach()
        time = field.time(t)
        before = _sequence_number()
        found = field.parts(time, field.split(y))
    if any(is_functorch_wrapped_tensor(one) for one in (y, *found)):
        raise InputError("the transforms of torch.func go through backpropagation only: take gradient='backprop'")
    own = {part.untyped_storage().data_ptr() for part in (y, time)}
    parameters: dict[int, Tensor] = {
        id(one): one for module in modules for one in module.parameters() if one.requires_grad
    }
    for leaf in _leaves([one for one in found if one.requires_grad], before):
        if leaf.untyped_storage().data_ptr() not in own:
            parameters.setdefault(id(leaf), leaf)
    return field.flat([one.detach() for one in found]), tuple(parameters.values())


def _leaves(outputs: Sequence[Tensor], before: int) -> Iterator[Tensor]:
    waiting: list[Any] = [one.grad_fn for one in outputs if one.grad_fn is not None]
    yield from (one for one in outputs if one.grad_fn is None)
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):  # the end of a graph, where the gradient of a leaf gathers
            yield node.variable
            continue
        if node._sequence_nr() <= before:
            raise InputError(
                "the field uses a tensor that was computed outside it and requires a gradient "
                f"(by {node.name()}): give it as parameters=(...), or take gradient='backprop'"
            )
        following = [one for one, _ in node.next_functions if one is not None and one not in seen]
        seen.update(following)
        waiting += following


def _sequence_number() -> int:
    """The number that autograd gave last: what is computed from now on has a larger one."""
    node = torch.ones((), requires_grad=True).clone().grad_fn
    assert node is not None
    return int(node._sequence_nr())


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
