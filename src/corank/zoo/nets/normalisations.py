"""Normalisations to choose from: of the features after a convolution, of its weights, or none.

Daulbaev's thesis, section 3.2: batch normalisation, layer normalisation (over channels and pixels of one sample, with
a weight a channel), weight normalisation (Salimans and Kingma 2016) and spectral normalisation (Miyato et al. 2018, the
matrix of output channels by everything else divided by its largest singular value).
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn
from torch.nn.utils import parametrizations

from corank.errors import InputError, near

Normalisation = Literal["batch", "layer", "weight", "spectral", "none"]


def check_normalisation(place: str, name: str) -> None:
    """Refuse an unknown normalisation.

    Raises:
        InputError: an unknown name.

    Example:
        >>> check_normalisation("stem", "group")
        Traceback (most recent call last):
        corank.errors.InputError: unknown normalisation 'group' of the stem: known: batch, layer, weight, spectral, none
    """
    known = get_args(Normalisation)
    if name not in known:
        raise InputError(f"unknown normalisation {name!r} of the {place}: {near(name, known)}")


def normalised_convolution(
    in_channels: int, channels: int, normalisation: Normalisation, *, stride: int = 1, size: int = 3
) -> nn.Sequential:
    """A convolution without bias that keeps the size, up to the stride, with the normalisation that it is given.

    Args:
        in_channels: channels of the input.
        channels: of the output.
        normalisation: what follows it, or what its weights go through.
        stride: of the convolution.
        size: of its kernel, odd.

    Example:
        >>> [name for name, _ in normalised_convolution(3, 8, "layer").named_children()]
        ['conv', 'norm']
    """
    conv = nn.Conv2d(in_channels, channels, size, stride=stride, padding=size // 2, bias=False)
    parts = nn.Sequential()
    parts.add_module("conv", _with_weights(conv, normalisation))
    if normalisation == "batch":
        parts.add_module("norm", nn.BatchNorm2d(channels))
    elif normalisation == "layer":
        parts.add_module("norm", nn.GroupNorm(1, channels))
    return parts


def _with_weights(conv: nn.Module, normalisation: Normalisation) -> nn.Module:
    if normalisation == "weight":
        parametrizations.weight_norm(conv)
    if normalisation == "spectral":
        parametrizations.spectral_norm(conv)
    return conv
