"""The networks of the zoo by name: one table of how each is made and which input it is made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from corank.errors import InputError, near
from corank.zoo.nets.cnn4 import cnn4
from corank.zoo.nets.initialise import he_initialise
from corank.zoo.nets.resnet import ResNet
from corank.zoo.nets.vgg import vgg19, vgg_digits


@dataclass(frozen=True)
class _Entry:
    make: Callable[..., nn.Module]
    shape: tuple[int, int, int]


_NETWORKS = {
    "cnn4": _Entry(cnn4, (1, 28, 28)),
    "vgg19": _Entry(vgg19, (3, 32, 32)),
    "vgg_digits": _Entry(vgg_digits, (1, 8, 8)),
} | {f"resnet{6 * n + 2}": _Entry(partial(ResNet, n), (3, 32, 32)) for n in (3, 5, 7, 9, 18)}


def network_names() -> tuple[str, ...]:
    """The names that `build` knows.

    Example:
        >>> "resnet20" in network_names()
        True
    """
    return tuple(_NETWORKS)


def input_shape(name: str) -> tuple[int, int, int]:
    """Channels, height and width of the images that a network of the zoo is made for.

    Raises:
        InputError: there is no network of this name.

    Example:
        >>> input_shape("vgg19")
        (3, 32, 32)
    """
    return _entry(name).shape


def build(
    name: str, *, classes: int, in_channels: int | None = None, generator: torch.Generator | None = None
) -> nn.Module:
    """A network of the zoo with fresh He-initialised weights, in training mode, without normalisation.

    Args:
        name: one of `network_names()`.
        classes: how many logits.
        in_channels: channels of the input; by default those of `input_shape(name)`.
        generator: draws the weights; by default torch's global generator.

    Raises:
        InputError: an unknown name, or a number below one.

    Example:
        >>> build("cnn4", classes=10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    entry = _entry(name)
    channels = entry.shape[0] if in_channels is None else in_channels
    for option, value in (("classes", classes), ("in_channels", channels)):
        if value < 1:
            raise InputError(f"{option} of {name} must be at least 1, got {value}")
    with torch.random.fork_rng(devices=[]):  # the weights that torch draws first are thrown away
        network = entry.make(classes=classes, in_channels=channels)
    he_initialise(network, generator)
    return network


def _entry(name: str) -> _Entry:
    if name not in _NETWORKS:
        raise InputError(f"unknown network {name!r}: {near(name, _NETWORKS)}")
    return _NETWORKS[name]
