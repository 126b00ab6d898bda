"""Torch's global random numbers during a training: private, and a function of seed, epoch and process alone.

The order of the data and the noise within the network (dropout, say) are separate streams. Every process
draws the same data, whatever its network draws, and each has noise of its own. Since each epoch seeds both
anew, a training can be resumed at any epoch without a stored state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def derived_seed(*parts: int | str) -> int:
    """A seed of 63 bits from several numbers and words.

    Example:
        >>> derived_seed(0, "noise", 1) != derived_seed(0, "noise", 2)
        True
    """
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_device(seed: int, device: torch.device) -> None:
    """Seed the CPU's and the device's global generator, and no other."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def private_randomness(device: torch.device) -> Iterator[None]:
    """Leave the global generators of the CPU and of one device as they were found."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def drawn_with(seed: int, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches, drawn while the CPU's global generator follows a stream of its own.

    Example:
        >>> class Noise:
        ...     def __iter__(self):
        ...         return iter([torch.rand(()), torch.rand(())])
        >>> list(drawn_with(7, Noise())) == list(drawn_with(7, Noise()))
        True
    """
    own_state = torch.Generator().manual_seed(seed).get_state()
    iterator: Iterator[tuple[Tensor, Tensor]] | None = None
    while True:
        outer_state = torch.get_rng_state()
        torch.set_rng_state(own_state)
        try:
            iterator = iter(batches) if iterator is None else iterator
            batch = next(iterator)
        except StopIteration:
            return
        finally:
            own_state = torch.get_rng_state()
            torch.set_rng_state(outer_state)
        yield batch
