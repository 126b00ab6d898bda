"""One sketch of the rows of all processes: every rank ends with the merge of all, in the order of the ranks.

Each state is broadcast in turn and merged at once, so a rank holds one foreign sketch at a time, and all
ranks do the same operations in the same order and end with the same sketch.
"""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import Tensor, distributed

from corank.errors import InputError
from corank.linalg.sketch import Sketch

AnySketch = TypeVar("AnySketch", bound=Sketch)


def merge_ranks(sketch: AnySketch) -> AnySketch:
    """The sketch of the rows that all ranks of the default process group have seen.

    A collective call: every rank has to make it, with a sketch of the same kind and options. Without an
    initialised process group there is nothing to merge, and the sketch itself comes back.

    Args:
        sketch: of this rank's rows; not changed.

    Returns:
        the merged sketch, equal on all ranks, on the device of the given one.

    Raises:
        InputError: ranks whose sketches do not fit each other.
        RuntimeError: from torch.distributed, when a rank died or its connection is gone.

    Example:
        >>> import torch
        >>> from corank.linalg import FrequentDirections
        >>> sketch = FrequentDirections(2, 3).update(torch.eye(3))
        >>> merge_ranks(sketch) is sketch
        True
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return sketch
    merged: AnySketch | None = None
    misfit: InputError | None = None
    for source in range(distributed.get_world_size()):
        state = _broadcast(sketch, source)
        try:
            received = copy.deepcopy(sketch).load_state_dict(state)
            merged = received if merged is None else merged.merge(received)
        except InputError as error:  # kept until all have sent, so that no rank is left waiting
            misfit = misfit or InputError(f"the sketch of rank {source} does not fit: {error}")
    if misfit is not None:
        raise misfit
    assert merged is not None
    return merged


def _broadcast(sketch: Sketch, source: int) -> dict[str, Tensor]:
    """The state of the rank `source`, on the CPU."""
    held: list[dict[str, Tensor] | None] = [None]
    if distributed.get_rank() == source:
        held = [{name: value.cpu() for name, value in sketch.state_dict().items()}]
    distributed.broadcast_object_list(held, src=source)
    state = held[0]
    assert state is not None
    return state
