"""What a layer's weight matrix does to the norm of what reaches it, sample by sample, bias excluded.

The ratio of the two norms over the norm of the matrix is the layer cushion (Sanyal et al. 2020, Robustness via Deep
Low-Rank Representations, sec. 3.2 and app. E). Norms are taken while the network runs, so nothing large is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from corank.network.hooks import module_at
from corank.network.inputs import in_full_precision


@dataclass(frozen=True, kw_only=True, eq=False)
class Through:
    """One call of a layer with a weight matrix W on a batch of inputs phi.

    Attributes:
        name: of the layer, as `weighted_layers` names it.
        input_shape: of one sample of phi.
        norm_in: `(B,)`, `|phi|` of every sample.
        norm_out: `(B,)`, `|W phi|` of every sample.
    """

    name: str
    input_shape: tuple[int, ...]
    norm_in: Tensor
    norm_out: Tensor


@dataclass(frozen=True)
class Watched:
    """A module whose calls are watched: its path, the layer's name, if it is a convolution, where its batch is."""

    path: str
    name: str
    is_convolution: bool
    batch_axis: int = 0


class Aside(nn.Module):
    """Stands in a graph beside a weight's operation and is shown its input, its output and its bias."""

    def forward(self, phi: Tensor, output: Tensor, bias: Tensor | None = None) -> None:
        """Nothing: who watches has seen the arguments."""


@contextmanager
def watching(network: nn.Module, layers: Sequence[Watched]) -> Iterator[list[Through]]:
    """The calls of the layers, in order, while the network runs once."""
    seen: list[Through] = []
    handles = []
    for watched in layers:
        module = module_at(network, watched.path)
        handles.append(module.register_forward_hook(_hook(watched, seen), with_kwargs=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def by_label(seen: Sequence[Through]) -> dict[str, Through]:
    """Calls by the layer's name, `name@0`, `name@1` and so on for one that is called several times.

    Example:
        >>> call = Through(name="fc", input_shape=(2,), norm_in=torch.ones(1), norm_out=torch.ones(1))
        >>> list(by_label([call])), list(by_label([call, call]))
        (['fc'], ['fc@0', 'fc@1'])
    """
    calls: dict[str, list[Through]] = {}
    for one in seen:
        calls.setdefault(one.name, []).append(one)
    return {
        name if len(several) == 1 else f"{name}@{order}": one
        for name, several in calls.items()
        for order, one in enumerate(several)
    }


def _hook(watched: Watched, seen: list[Through]) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        given = (*args, *kwargs.values())
        phi, result, bias = given if isinstance(module, Aside) else (given[0], output, module.bias)
        with torch.no_grad():
            seen.append(_through(watched, phi, result, bias))

    return hook


def _through(watched: Watched, phi: Tensor, output: Tensor, bias: Any) -> Through:
    mapped = in_full_precision(output)
    if isinstance(bias, Tensor):
        mapped = mapped - (bias.view(-1, *(1,) * (output.ndim - 2)) if watched.is_convolution else bias)
    return Through(
        name=watched.name,
        input_shape=tuple(phi.movedim(watched.batch_axis, 0).shape[1:]),
        norm_in=_norms(in_full_precision(phi), watched.batch_axis),
        norm_out=_norms(mapped, watched.batch_axis),
    )


def _norms(values: Tensor, batch_axis: int) -> Tensor:
    others = [axis for axis in range(values.ndim) if axis != batch_axis]
    norms: Tensor = torch.linalg.vector_norm(values.detach(), dim=others)
    return norms
