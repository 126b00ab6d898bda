"""Networks whose input is not one tensor, or whose output is not the tensor of logits, as networks like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from corank.errors import InputError, near
from corank.network.inputs import Inputs
from corank.network.wrapper import Wrapper


class Adapted(Wrapper):
    """A network of any inputs, returning its logits.

    Args:
        network: what is called; layer names are its own, without the wrapper's prefix.
        inputs: the parts of a mapping that the network takes; by default all.
        output: finds the logits `(B, C)` in what the network returns. By default that is a tensor as it is, or what
            is called `logits` in it, as an attribute or by key, or its only part.

    Raises:
        InputError: `inputs` is one string, or empty.

    Example:
        >>> import torch
        >>> class Two(nn.Module):
        ...     def forward(self, left, right):
        ...         return {"logits": left - right}
        >>> batch = {"left": torch.ones(1, 2), "right": torch.zeros(1, 2), "labels": torch.zeros(1)}
        >>> Adapted(Two(), inputs=("left", "right"))(batch)
        tensor([[1., 1.]])
    """

    def __init__(
        self, network: nn.Module, inputs: Sequence[str] | None = None, output: Callable[[Any], Tensor] | None = None
    ) -> None:
        super().__init__()
        if isinstance(inputs, str) or (inputs is not None and not inputs):
            raise InputError(f"inputs must be names of parts of a batch as in ('input_ids',), got {inputs!r}")
        self.network = network
        self.inputs = None if inputs is None else tuple(inputs)
        self.output = output

    def forward(self, x: Inputs) -> Tensor:
        """The logits: a mapping is passed as keywords, a tuple by position.

        Raises:
            InputError: a part of the inputs is missing, or there are no logits in the output.
        """
        returned = self._returned(x)
        logits = logits_in(returned) if self.output is None else self.output(returned)
        if not isinstance(logits, Tensor):
            raise InputError(
                f"expected logits, but {type(self.network).__name__} returned {_kind(returned)}: "
                "give Adapted(network, output=...), which finds them in it"
            )
        return logits

    def _returned(self, x: Inputs) -> object:
        if isinstance(x, Tensor) or isinstance(self.network, Wrapper):
            return self.network(x)
        if not isinstance(x, Mapping):
            return self.network(*x)
        missing = [name for name in self.inputs or () if name not in x]
        if missing:
            raise InputError(f"the batch has no part {missing[0]!r}: {near(missing[0], x)}")
        return self.network(**{name: x[name] for name in self.inputs or x})


def logits_in(returned: Any) -> Any:
    """What an output calls its logits, or its only part; otherwise the output itself."""
    if isinstance(returned, Mapping) and "logits" in returned:
        return returned["logits"]
    if hasattr(returned, "logits"):
        return returned.logits
    parts = list(returned.values() if isinstance(returned, Mapping) else returned) if _has_parts(returned) else []
    return parts[0] if len(parts) == 1 else returned


def _has_parts(returned: object) -> bool:
    return isinstance(returned, tuple | list | Mapping)


def _kind(returned: object) -> str:
    if isinstance(returned, Mapping):
        return f"{type(returned).__name__} with {', '.join(map(str, returned)) or 'nothing'}"
    return type(returned).__name__


def adapted(network: nn.Module) -> Adapted:
    """A network as one of any inputs that returns its logits; one that is so already is itself."""
    return network if isinstance(network, Adapted) else Adapted(network)
