"""The networks of the zoo by name: one table of how each is made and which input it is made for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import nn

from corank.errors import InputError, near
from corank.zoo.nets.cnn4 import cnn4
from corank.zoo.nets.cnn_fc import cnn_fc
from corank.zoo.nets.cnn_lw import cnn_lw
from corank.zoo.nets.dense import fcnn_lw, lenet_300_100, lenet_500_300
from corank.zoo.nets.initialise import he_initialise
from corank.zoo.nets.ode_options import ODEOptions
from corank.zoo.nets.odenet import META, ODENET, SINGLE_BLOCK, meta_preresnet, odenet4, odenet10
from corank.zoo.nets.preresnet import PreActivationResNet
from corank.zoo.nets.resnet import ResNet
from corank.zoo.nets.resnet_four_stages import resnet18, resnet50
from corank.zoo.nets.vgg import vgg7, vgg16, vgg16_3fc, vgg19, vgg19_3fc, vgg_digits

_MNIST, _CIFAR = (1, 28, 28), (3, 32, 32)


@dataclass(frozen=True)
class _Entry:
    make: Callable[..., nn.Module]
    shape: tuple[int, int, int]
    is_dense: bool = False  # it flattens any input, and is made for its number of features
    options: ODEOptions | None = None  # defaults of a neural ODE, which is made for the shape


_NETWORKS = {
    "lenet_300_100": _Entry(lenet_300_100, _MNIST, is_dense=True),
    "lenet_500_300": _Entry(lenet_500_300, _MNIST, is_dense=True),
    "fcnn_lw": _Entry(fcnn_lw, _MNIST, is_dense=True),
    "fcnn": _Entry(fcnn_lw, _MNIST, is_dense=True),  # the same, by its name in the paper
    "cnn_lw": _Entry(cnn_lw, _MNIST),
    "cnn_fc": _Entry(cnn_fc, _MNIST),
    "cnn4": _Entry(cnn4, _MNIST),
    "vgg7": _Entry(vgg7, _CIFAR),
    "vgg16": _Entry(vgg16, _CIFAR),
    "vgg16_3fc": _Entry(vgg16_3fc, _CIFAR),
    "vgg19": _Entry(vgg19, _CIFAR),
    "vgg19_3fc": _Entry(vgg19_3fc, _CIFAR),
    "vgg_digits": _Entry(vgg_digits, (1, 8, 8)),
    "resnet18": _Entry(resnet18, _CIFAR),
    "resnet50": _Entry(resnet50, _CIFAR),
    **{f"resnet{6 * n + 2}": _Entry(partial(ResNet, n), _CIFAR) for n in (3, 5, 7, 9, 18)},
    **{f"preresnet{6 * n + 2}": _Entry(partial(PreActivationResNet, n), _CIFAR) for n in (3, 18)},
    "odenet4": _Entry(odenet4, _MNIST, options=ODENET),
    "odenet10": _Entry(odenet10, _CIFAR, options=ODENET),
    "ode_single_block": _Entry(odenet4, _CIFAR, options=SINGLE_BLOCK),
    "ode_meta_preresnet": _Entry(meta_preresnet, _CIFAR, options=META),
}


def network_names() -> tuple[str, ...]:
    """The names that `build` knows.

    Example:
        >>> "resnet20" in network_names()
        True
    """
    return tuple(_NETWORKS)


def ode_names() -> tuple[str, ...]:
    """The names of the neural ODEs, which take `ODEOptions`.

    Example:
        >>> ode_names()
        ('odenet4', 'odenet10', 'ode_single_block', 'ode_meta_preresnet')
    """
    return tuple(name for name, entry in _NETWORKS.items() if entry.options is not None)


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
    name: str,
    *,
    classes: int,
    shape: tuple[int, ...] | None = None,
    options: Mapping[str, Any] | None = None,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """A network of the zoo with fresh He-initialised weights, in training mode, without normalisation.

    Args:
        name: one of `network_names()`.
        classes: how many logits.
        shape: of one input without the batch; by default `input_shape(name)`. Fully connected networks take any
            shape, convolutional ones fit their first layer to the channels.
        options: of a neural ODE, those of `ODEOptions`; other networks have none.
        generator: draws the weights; by default torch's global generator.

    Raises:
        InputError: an unknown name or option, a number below one, or vectors for a convolutional network.

    Example:
        >>> build("cnn4", classes=10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
        >>> build("lenet_300_100", classes=3, shape=(7,))(torch.zeros(2, 7)).shape
        torch.Size([2, 3])
    """
    entry = _entry(name)
    sizes = entry.shape if shape is None else tuple(shape)
    if classes < 1:
        raise InputError(f"classes of {name} must be at least 1, got {classes}")
    if not sizes or min(sizes) < 1:
        raise InputError(f"the shape of an input of {name} must be sizes of at least 1, got {sizes}")
    if not entry.is_dense and len(sizes) != 3:
        dense = ", ".join(other for other, known in _NETWORKS.items() if known.is_dense)
        raise InputError(f"{name} takes images (channels, height, width), got shape {sizes}: for others name {dense}")
    made_for: dict[str, Any] = {"features": math.prod(sizes)} if entry.is_dense else {"in_channels": sizes[0]}
    if entry.options is not None:
        made_for = {"shape": sizes, "options": ode_options(options or {}).filled(entry.options)}
    elif options:
        raise InputError(f"{name} takes no options, got {', '.join(options)}: those are for {', '.join(ode_names())}")
    with torch.random.fork_rng(devices=[]):  # the weights that torch draws first are thrown away
        if generator is not None:
            torch.manual_seed(generator.initial_seed())  # the first directions of spectral normalisation are kept
        network = entry.make(classes=classes, **made_for)
    he_initialise(network, generator)
    return network


def ode_options(values: Mapping[str, Any]) -> ODEOptions:
    """The options of a neural ODE from what a run folder says.

    Raises:
        InputError: an unknown option, or a value that it does not take.

    Example:
        >>> ode_options({"solver": "euler", "steps": 2}).steps
        2
    """
    known = [field.name for field in fields(ODEOptions)]
    for name in values:
        if name not in known:
            raise InputError(f"unknown option {name!r} of a neural ODE: {near(name, known)}")
    return ODEOptions(**values)


def _entry(name: str) -> _Entry:
    if name not in _NETWORKS:
        raise InputError(f"unknown network {name!r}: {near(name, _NETWORKS)}")
    return _NETWORKS[name]
