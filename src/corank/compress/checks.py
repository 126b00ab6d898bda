"""What several methods ask of their options and networks; each refusal names what was expected and what came."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from corank.errors import InputError


def check_at_least(least: int, /, **options: float | None) -> None:
    """Refuse options that are below their least value, or infinite; None is no number and passes.

    Example:
        >>> check_at_least(1, epochs=5, samples=None, rank=0)
        Traceback (most recent call last):
        corank.errors.InputError: rank must be at least 1, got 0
    """
    for name, value in options.items():
        if value is not None and not least <= value < math.inf:
            finite = " and finite" if isinstance(value, float) else ""
            raise InputError(f"{name} must be at least {least}{finite}, got {value}")


def check_between(low: float, high: float, /, **options: float) -> None:
    """Refuse options outside an interval with its ends.

    Example:
        >>> check_between(0, 1, beta=1.5)
        Traceback (most recent call last):
        corank.errors.InputError: beta must be between 0 and 1, got 1.5
    """
    for name, value in options.items():
        if not low <= value <= high:
            raise InputError(f"{name} must be between {low} and {high}, got {value}")


def check_positive(**options: float) -> None:
    """Refuse options that are not positive and finite.

    Example:
        >>> check_positive(pre_rate=1e-4, head_rate=0.0)
        Traceback (most recent call last):
        corank.errors.InputError: head_rate must be positive and finite, got 0.0
    """
    for name, value in options.items():
        if not 0 < value < math.inf:
            raise InputError(f"{name} must be positive and finite, got {value}")


def check_one_of(known: Collection[object], /, **options: object) -> None:
    """Refuse options that are none of the known values.

    Example:
        >>> check_one_of(("l1", "l2"), importance="l3")
        Traceback (most recent call last):
        corank.errors.InputError: importance must be one of l1, l2, got 'l3'
    """
    for name, value in options.items():
        if value not in known:
            raise InputError(f"{name} must be one of {', '.join(map(str, known))}, got {value!r}")


def check_idle(method: Any, idle: Mapping[str, str]) -> None:
    """Refuse options that were set and mean nothing beside the others.

    Args:
        method: a dataclass of options.
        idle: the names of such options, and what makes each meaningless.

    Raises:
        InputError: one of them is not at its default.
    """
    for option in fields(method):
        if option.name in idle and (value := getattr(method, option.name)) != option.default:
            raise InputError(f"{option.name} {value!r} has no effect with {idle[option.name]}: leave it out")


def check_precision(network: nn.Module, made: str) -> None:
    """Refuse networks in which a method's decompositions do not work.

    Args:
        network: whose parameters are looked at.
        made: what is to be made of it.

    Raises:
        InputError: a parameter is neither in single nor in double precision.
    """
    for name, parameter in network.named_parameters():
        if parameter.dtype not in (torch.float32, torch.float64):
            raise InputError(
                f"{made} needs a network in torch.float32 or torch.float64, got {parameter.dtype} in {name}: "
                "convert it by network.float()"
            )
