"""What fits into memory: how large the sketches are, and in how many passes the layers are measured.

Layers that do not fit together are measured in several passes over the same data, which changes no result; only a
layer that does not fit alone gets a smaller sketch, and says so by its `sketch_size`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from corank.errors import InputError
from corank.measure.heldout import AT_MOST
from corank.measure.observing import Needs

MEGABYTE = 2**20
SHARE_OF_MACHINE = 0.5
ROWS_PER_SKETCH_ROW = 3  # a buffer of twice its size, and the directions that are read from it


@dataclass(frozen=True, kw_only=True)
class Group:
    """Layers that are measured in one pass, and what is kept of each of them."""

    layers: tuple[str, ...]
    needs: Needs


def default_memory_mb(device: torch.device) -> float:
    """Half of the memory of the machine, or of a graphics card: what a measurement takes where it is not told."""
    if device.type == "cuda":
        whole = torch.cuda.get_device_properties(device).total_memory
    else:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return SHARE_OF_MACHINE * whole / MEGABYTE


def plan_passes(widths: Mapping[str, int], needs: Needs, bytes_per_number: int, limit: float) -> list[Group]:
    """The passes over the data that keep sketches and held-out rows within a limit.

    Args:
        widths: features of every layer, in their order.
        needs: of every layer.
        bytes_per_number: of the rows that are kept.
        limit: in MB of 2^20 bytes; the network and its batches are not counted.

    Raises:
        InputError: a layer does not fit even with the smallest sketch.

    Example:
        >>> [group.layers for group in plan_passes({"a": 1000, "b": 2000}, Needs(gradients=100), 4, 3.0)]
        [('a',), ('b',)]
    """
    groups: list[Group] = []
    free = 0.0
    for layer, width in widths.items():
        fitting = _fitting(layer, width, needs, bytes_per_number, limit)
        used = _megabytes(width, fitting, bytes_per_number)
        if groups and used <= free and fitting == groups[-1].needs:
            groups[-1] = replace(groups[-1], layers=(*groups[-1].layers, layer))
            free -= used
        else:
            groups.append(Group(layers=(layer,), needs=fitting))
            free = limit - used
    return groups


def _fitting(layer: str, width: int, needs: Needs, size: int, limit: float) -> Needs:
    """The needs with sketches that fit: halved until they do."""
    fitting = needs
    while _megabytes(width, fitting, size) > limit:
        if max(fitting.gradients, fitting.activations) <= 2:
            least = _megabytes(width, fitting, size)
            raise InputError(
                f"memory_mb must be at least {least:.3g} for the {width:,} features of layer {layer!r}, got {limit:.3g}"
            )
        fitting = replace(fitting, gradients=_half(fitting.gradients), activations=_half(fitting.activations))
    return fitting


def _half(rows: int) -> int:
    return max(rows // 2, min(rows, 1))


def _megabytes(width: int, needs: Needs, size: int) -> float:
    sketched = ROWS_PER_SKETCH_ROW * (min(needs.gradients, width + 1) + min(needs.activations, width + 1))
    return width * size * (sketched + (AT_MOST if needs.heldout else 0)) / MEGABYTE
