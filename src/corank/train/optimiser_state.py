"""An optimiser's state as JSON values plus named tensors, for any torch optimiser, without a pickle.

The state dict is walked: each tensor is replaced by its name, and every container is tagged with its kind, so
that tuples and whole-number keys come back as what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from corank.errors import InputError

Encoded = dict[str, Any]


def optimiser_state(optimiser: Optimizer) -> tuple[Encoded, dict[str, Tensor]]:
    """The state dict of an optimiser as JSON-able values, and the tensors that these name.

    Raises:
        InputError: a state that holds something else than tensors, containers and plain values.
    """
    tensors: dict[str, Tensor] = {}
    state = optimiser.state_dict()
    encoded = {
        "groups": _encode(state["param_groups"], "groups", tensors),
        "state": _encode(state["state"], "state", tensors),
    }
    return encoded, tensors


def load_optimiser(optimiser: Optimizer, encoded: Encoded, tensors: Mapping[str, Tensor]) -> str:
    """Give an optimiser the stored state of one of the same class.

    Returns:
        What differs, in words, where the state is not of this optimiser, which is then unchanged; otherwise
        nothing.
    """
    groups = _decode(encoded["groups"], tensors)
    sizes, own_sizes = ([len(group["params"]) for group in each] for each in (groups, optimiser.param_groups))
    if sizes != own_sizes:
        return f"the parameter groups had {sizes} tensors there and have {own_sizes} here"
    optimiser.load_state_dict({"state": _decode(encoded["state"], tensors), "param_groups": groups})
    return ""


def _encode(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"mapping": [[key, _encode(item, f"{path}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise InputError(f"a checkpoint cannot hold the optimiser's {path}: {type(value).__name__} is no plain value")


def _decode(encoded: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(encoded, dict):
        return encoded
    ((kind, content),) = encoded.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "mapping":
        return {key: _decode(item, tensors) for key, item in content}
    return (list if kind == "list" else tuple)(_decode(item, tensors) for item in content)
