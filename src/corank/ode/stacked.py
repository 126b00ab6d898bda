"""Products with the field's Jacobian in its parameters at many states, in one call where the field allows it.

A field that treats the entries of a batch alike can be asked at all nodes in one call: the states of the nodes one
after another in the batch's axis ("merged"), or in a further axis in front ("stacked", for states without batch, or
where the field holds something of the batch's size). Whether a field allows it is not asked but tried: the derivatives
at two nodes, known from elsewhere, must come out. A field that allows neither is asked node by node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from corank.ode.field import FlatField

_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
"""What a field may answer to a shape that it was not written for."""


def parameter_products(
    field: FlatField,
    times: Sequence[float],
    states: Callable[[slice], Tensor],
    cotangents: Callable[[slice], Tensor],
    parameters: Sequence[Tensor],
    *,
    known: Mapping[int, Sequence[Tensor]],
    together: int,
) -> list[Tensor]:
    """The sum over all nodes of a cotangent's product with the Jacobian in the parameters, for every parameter.

    Args:
        field: the field.
        times: the nodes.
        states: the flat states at some of them, a row each.
        cotangents: as many flat cotangents.
        parameters: the parameters.
        known: the derivatives of some nodes, for comparison.
        together: at most so many nodes in one call.
    """
    totals = [torch.zeros_like(parameter) for parameter in parameters]
    forms = ["merged", "stacked"] if together > 1 and known else []
    first = 0
    while first < len(times):
        last = min(first + together, len(times)) if forms else first + 1
        part = slice(first, last)
        if last - first == 1:
            _, _, found = field.products(
                times[first], states(part)[0], cotangents(part)[0], parameters, with_state=False
            )
        else:
            inside = {index - first: value for index, value in known.items() if first <= index < last}
            tried = _together(field, times[part], states(part), cotangents(part), parameters, inside, forms[0])
            if tried is None:
                forms = forms[1:]
                continue
            found = list(tried)
        for total, one in zip(totals, found, strict=True):
            if one is not None:
                total.add_(one)
        first = last
    return totals


def _together(
    field: FlatField,
    times: Sequence[float],
    states: Tensor,
    cotangents: Tensor,
    parameters: Sequence[Tensor],
    known: Mapping[int, Sequence[Tensor]],
    form: str,
) -> Sequence[Tensor | None] | None:
    """The sum in one call; None where the field does not allow this form."""
    count = len(times)
    parts = field.split(states)
    if form == "merged" and any(part.ndim < 3 or part.shape[1] != parts[0].shape[1] for part in parts):
        return None
    batch = parts[0].shape[1] if form == "merged" else 1
    t = torch.tensor(times, dtype=field.dtype, device=field.device).repeat_interleave(batch)
    t = t.view(-1, *[1] * (parts[0].ndim - (2 if form == "merged" else 1)))
    shapes = [part.shape for part in parts]
    given = [part.flatten(0, 1) if form == "merged" else part for part in parts]
    before = field.statistics.evaluations_backward
    try:
        with torch.enable_grad():
            found = field.parts(t, [one.detach() for one in given], count)
            separate = [one.view(shape) for one, shape in zip(found, shapes, strict=True)]
    except _FAILURES:
        field.statistics.evaluations_backward = before
        return None
    if not all(
        _alike(one[index].detach(), other)
        for index, value in known.items()
        for one, other in zip(separate, value, strict=True)
    ):
        field.statistics.evaluations_backward = before
        return None
    pairs = [
        (one, two.to(one.dtype))
        for one, two in zip(separate, field.split(cotangents), strict=True)
        if one.requires_grad
    ]
    if not pairs:
        return [None] * len(parameters)
    outputs, weights = zip(*pairs, strict=True)
    return torch.autograd.grad(outputs, list(parameters), weights, allow_unused=True)


def _alike(one: Tensor, other: Tensor) -> bool:
    rounding = torch.finfo(other.dtype).eps ** 0.5
    return bool(torch.linalg.vector_norm(one - other) <= rounding * (1e-30 + torch.linalg.vector_norm(other)))
