"""Whether channels can be removed at all: a narrower network must be the whole one with these channels not read.

What traces dependencies may err, at a padding of channels or a split of them, say, and then gives networks that do not
run, or that run and mix channels up. Here every group is tried on the network with random weights: it is narrowed, and
the whole network is run with the removed channels set to zero wherever a layer reads them. Only where both agree is
the group pruned. A normalisation across channels fails this test, for it makes the others depend on the removed ones.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from corank.compress.pruning.groups import Group, narrowed_modules, together
from corank.network import GraphNetwork
from corank.network.modular import with_modules
from corank.train.evaluate import device_of

TOLERANCE = 1e-4
"""Relative to the largest output: far above rounding in double precision, far below what a wrong channel does."""


def sound(graph: GraphNetwork, groups: Sequence[Group], example: Tensor) -> list[Group]:
    """Those of the groups whose channels can be removed, each alone and all together.

    They are tried all at once and, where that fails, in halves, so that few wrong ones cost few trials.

    Args:
        graph: the network, without fixed widths.
        groups: found in it.
        example: `(B, ...)` inputs, of which the shape is taken; indices are taken as they are.
    """
    noisy = _randomised(graph)
    chance = torch.Generator().manual_seed(0)
    halves = [
        (group, torch.randperm(group.width, generator=chance)[: group.width // 2])
        for group in groups
        if group.width > 1
    ]
    x = example[:2]
    if x.is_floating_point():
        x = torch.randn(x.shape, generator=chance, dtype=torch.double).to(x.device)
    found = _working(noisy, halves, x)
    is_sure = len(found) == len(halves) or _works(noisy, found, x)
    return [group for group, _ in found] if is_sure else []


def _working(
    graph: GraphNetwork, removals: Sequence[tuple[Group, Tensor]], x: Tensor
) -> Sequence[tuple[Group, Tensor]]:
    if not removals or _works(graph, removals, x):
        return removals
    middle = len(removals) // 2
    if not middle:
        return []
    return [*_working(graph, removals[:middle], x), *_working(graph, removals[middle:], x)]


@torch.no_grad()
def _works(graph: GraphNetwork, removals: Sequence[tuple[Group, Tensor]], x: Tensor) -> bool:
    try:
        found = narrowed_modules(graph, removals)(x)
    except Exception:  # shapes that do not fit are found out by whichever operation meets them first
        return False
    expected = _unread(graph, removals, x)
    return found.shape == expected.shape and bool((found - expected).abs().max() <= TOLERANCE * expected.abs().max())


def _unread(graph: GraphNetwork, removals: Sequence[tuple[Group, Tensor]], x: Tensor) -> Tensor:
    """The outputs of the whole network where no layer reads the channels that are to go."""
    modular = with_modules(graph)
    for (path, reads), (_, channels) in together(removals).items():
        if reads:
            modular.get_submodule(path).register_forward_pre_hook(_zeroing(channels))
    output: Tensor = modular(x)
    return output


def _zeroing(channels: Tensor) -> Any:
    def zero(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        (x,) = inputs
        axis = -1 if isinstance(module, nn.Linear) else 1
        return x.index_fill(axis, channels.to(x.device), 0.0)

    return zero


def _randomised(graph: GraphNetwork) -> GraphNetwork:
    """A copy in double precision whose numbers are random: vectors positive, as variances must be, matrices scaled."""
    noisy = copy.deepcopy(graph).double().eval()
    chance = torch.Generator(device_of(graph)).manual_seed(0)
    for value in (*noisy.parameters(), *noisy.buffers()):
        if value.is_floating_point():
            if value.ndim > 1:
                value.data.normal_(std=max(1, value[0].numel()) ** -0.5, generator=chance)
            else:
                value.data.uniform_(0.5, 1.5, generator=chance)
    return noisy
