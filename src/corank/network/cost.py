"""What a network costs: parameters, storage, multiply-adds.

Multiply-adds are those of convolutions and matrix products, as the papers count them ("Flops"): without
biases, normalisations, additions and pooling. Storage counts parameters, not buffers; a MB is 2^20 bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from corank.errors import InputError
from corank.network.graph import evaluation_mode, tensors_of
from corank.network.hooks import module_by_module
from corank.network.quiet import quiet
from corank.result import Result, Scalar


@dataclass(frozen=True, kw_only=True)
class Cost(Result):
    """The cost of one network for one sample.

    Attributes:
        parameters: how many numbers are trained.
        storage_bytes: what they take as they are stored.
        multiply_adds: of one sample's forward pass.
    """

    parameters: int
    storage_bytes: int
    multiply_adds: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            parameters=self.parameters + other.parameters,
            storage_bytes=self.storage_bytes + other.storage_bytes,
            multiply_adds=self.multiply_adds + other.multiply_adds,
        )

    @property
    def storage_mb(self) -> float:
        """Storage in units of 2^20 bytes."""
        return self.storage_bytes / 2**20

    @property
    def multiply_adds_millions(self) -> float:
        """Multiply-adds in millions."""
        return self.multiply_adds / 1e6

    def to_dict(self) -> dict[str, Scalar]:
        """The cost in the units of the papers' tables."""
        return self.row()

    def row(self) -> dict[str, Scalar]:
        """Parameters, storage in MB and multiply-adds in millions."""
        return {
            "parameters": self.parameters,
            "storage_mb": self.storage_mb,
            "multiply_adds_millions": self.multiply_adds_millions,
        }


def cost(network: nn.Module, sample_shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Cost:
    """The cost of a network for one sample; nothing is computed, unless its control flow depends on values.

    Args:
        network: any `nn.Module` of one tensor.
        sample_shape: the shape of one input without the batch.
        dtype: of the input.

    Raises:
        InputError: the network does not take such a sample.

    Example:
        >>> print(cost(nn.Linear(8, 4), (8,)))
        parameters 36, storage_mb 0.0001373, multiply_adds_millions 3.2e-05
    """
    own = list(network.parameters())  # each once, however many names it has
    return Cost(
        parameters=sum(parameter.numel() for parameter in own),
        storage_bytes=sum(parameter.numel() * parameter.element_size() for parameter in own),
        multiply_adds=_multiply_adds(network, (1, *sample_shape), dtype),
    )


def _multiply_adds(network: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> int:
    device = next(network.parameters(), torch.empty(0)).device
    own = tensors_of(network)
    counter, fake = FlopCounterMode(display=False), FakeTensorMode(allow_non_fake_inputs=True)
    with evaluation_mode(network), _attributes_kept(network), _counted_operations(), torch.no_grad(), quiet():
        try:
            shapes: dict[str, Tensor] = {name: fake.from_tensor(value) for name, value in own.items()}
            with fake, counter:
                functional_call(network, shapes, (torch.empty(shape, dtype=dtype, device=device),))
        except Exception:  # the network looks at values, or does not take the sample
            copies = {name: value.detach().clone() for name, value in own.items()}
            try:
                with counter:
                    functional_call(network, copies, (torch.zeros(shape, dtype=dtype, device=device),))
            except Exception as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise InputError(
                    f"{type(network).__name__} cannot run on a {dtype} sample of shape {shape[1:]}: {reason[:200]}"
                ) from error
    return counter.get_total_flops() // 2


@contextmanager
def _attributes_kept(network: nn.Module) -> Iterator[None]:
    """Give every module its attributes back, also those that its forward pass sets."""
    kept = [(module, dict(vars(module)), dict(module._buffers)) for module in network.modules()]
    try:
        yield
    finally:
        for module, attributes, buffers in kept:
            vars(module).clear()
            vars(module).update(attributes)
            module._buffers.clear()
            module._buffers.update(buffers)


@contextmanager
def _counted_operations() -> Iterator[None]:
    """Recurrent layers and attention as matrix products, not as single fused operations that have no count."""
    with module_by_module(), warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.simplefilter("ignore")  # torch warns of a flag that we leave as it is
        with torch.backends.mkldnn.flags(enabled=False):
            yield
