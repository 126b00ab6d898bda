"""How well a network does on data: its outputs and the share of right answers, leaving no trace in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import evaluation_mode

Batches = Iterable[tuple[Tensor, Tensor]]


def accuracy(network: nn.Module, batches: Batches, device: torch.device | str | None = None) -> float:
    """The share of samples whose label is the largest output, in evaluation mode.

    Args:
        network: outputs `(B, classes, ...)`; its modes are restored.
        batches: `(x, y)` with `y` as `(B, ...)` integers.
        device: where the batches go; by default where the network is.

    Raises:
        InputError: no samples, or outputs and labels whose shapes do not belong together.

    Example:
        >>> accuracy(nn.Identity(), [(torch.eye(2), torch.tensor([0, 0]))])
        0.5
    """
    right = total = 0
    for output, y in _outputs(network, batches, device):
        hits = right_answers(output, y)
        if hits is None:
            raise InputError(
                f"accuracy needs outputs (B, classes, ...) and integer labels (B, ...), got "
                f"{tuple(output.shape)} and {tuple(y.shape)} of {y.dtype}"
            )
        right += int(hits)
        total += y.numel()
    return right / total


def predict(network: nn.Module, batches: Batches, device: torch.device | str | None = None) -> Tensor:
    """The outputs `(N, ...)` for all batches, on the CPU, in evaluation mode.

    Args:
        network: its modes are restored.
        batches: `(x, y)`; the labels are not used.
        device: where the batches go; by default where the network is.

    Raises:
        InputError: no samples.

    Example:
        >>> predict(nn.Flatten(), [(torch.zeros(3, 2, 2), torch.zeros(3))]).shape
        torch.Size([3, 4])
    """
    return torch.cat([output.cpu() for output, _ in _outputs(network, batches, device)])


def right_answers(output: Tensor | None, y: Tensor) -> Tensor | None:
    """How many labels have the largest output, or None where the shapes are not those of class scores."""
    if output is None or output.ndim < 2 or y.is_floating_point():
        return None
    if output.shape[:1] + output.shape[2:] != y.shape:
        return None
    return (output.argmax(1) == y).sum()


def device_of(network: nn.Module) -> torch.device:
    """The device of a network's first parameter or buffer; the CPU for a network without any."""
    for tensor in (*network.parameters(), *network.buffers()):
        return tensor.device
    return torch.device("cpu")


def _outputs(
    network: nn.Module, batches: Batches, device: torch.device | str | None
) -> Iterator[tuple[Tensor, Tensor]]:
    where = device_of(network) if device is None else torch.device(device)
    samples = 0
    for x, y in batches:
        # Entered for each batch: a generator that is left half way must not keep the network's mode.
        with evaluation_mode(network), torch.inference_mode():
            output = network(x.to(where))
        samples += len(x)
        yield output, y.to(where)
    if not samples:
        raise InputError("the batches hold no samples: give at least one")
