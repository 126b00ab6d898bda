"""How the methods of a room are found: by walking the room, so that there is no registry to keep.

A method is one file with one `@final` dataclass derived from its room's base. Its name on the command line
and in tables is the name of its file.
"""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType
from typing import TypeVar

Base = TypeVar("Base")


def methods_of(room: ModuleType, base: type[Base]) -> dict[str, type[Base]]:
    """The concrete methods of a room by name, in alphabetical order.

    Args:
        room: the package to walk, for example `corank.compress`.
        base: the abstract base that the room's methods derive from.

    Example:
        >>> import corank.compress
        >>> from corank.compress import Compressor
        >>> "asnet" in methods_of(corank.compress, Compressor)
        True
    """
    found: dict[str, type[Base]] = {}
    for entry in pkgutil.iter_modules(room.__path__):
        module = import_module(f"{room.__name__}.{entry.name}")
        for _, item in inspect.getmembers(module, inspect.isclass):
            is_own = item.__module__ == module.__name__ and getattr(item, "__final__", False)
            if is_own and issubclass(item, base):
                found[name_of(item)] = item
    return dict(sorted(found.items()))


def name_of(method: type) -> str:
    """What a method is called on the command line and in tables: the name of its file.

    Example:
        >>> from corank.measure import ActiveSubspace
        >>> name_of(ActiveSubspace)
        'active-subspace'
    """
    return method.__module__.rpartition(".")[2].replace("_", "-")
