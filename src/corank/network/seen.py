"""What ran when a network was given an example: its modules, in the order in which their calls ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network.adapted import adapted
from corank.network.graph import evaluation_mode
from corank.network.hooks import module_by_module, read_part
from corank.network.inputs import Inputs, batch_size, described
from corank.network.wrapper import unwrapped


@dataclass(frozen=True)
class Seen:
    """One call of a module: whether it returned one tensor, and what keeps that from being read, None if nothing does.

    Of a tuple the first part is read.
    """

    path: str
    module: nn.Module
    is_tensor: bool
    problem: str | None


def what_ran(network: nn.Module, example: Inputs) -> list[Seen]:
    """Every call of a module inside the network on an example.

    Raises:
        InputError: the network does not take it.
    """
    seen: list[Seen] = []
    handles = []
    size = batch_size(example)

    def hook_of(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            seen.append(Seen(path, module, isinstance(output, Tensor), _problem(output, size)))

        return hook

    for path, module in unwrapped(network).named_modules():
        if path:
            handles.append(module.register_forward_hook(hook_of(path)))
    try:
        with torch.no_grad(), evaluation_mode(network), module_by_module():
            adapted(network)(example)
    except InputError:
        raise
    except Exception as error:  # whatever a network raises on inputs that are not its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        name = type(unwrapped(network)).__name__
        raise InputError(f"{name} does not take inputs {described(example)}: {reason[:200]}") from error
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _problem(output: object, size: int) -> str | None:
    value = read_part(output)
    if not isinstance(value, Tensor):
        return f"its output is no tensor but {type(output).__name__}"
    if not value.is_floating_point():
        return f"its output is {value.dtype}, which has no gradient"
    if value.shape[:1] != (size,):
        return f"its output has not the batch first: {tuple(value.shape)} for {size} samples"
    return None
