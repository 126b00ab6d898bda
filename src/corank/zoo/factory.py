"""A user's own function, named on the command line as `package.module:function`."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from corank.errors import InputError, near

_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_factory(spec: str) -> bool:
    """Whether a text has the form `package.module:function`.

    Example:
        >>> is_factory("my_package.data:flowers"), is_factory("data/flowers.npz")
        (True, False)
    """
    return _FACTORY.fullmatch(spec) is not None


def import_factory(spec: str) -> Callable[[], object]:
    """The function that `package.module:function` names; the working directory is searched last.

    Raises:
        InputError: there is no such module or function.

    Example:
        >>> import_factory("collections:OrderedDict")()
        OrderedDict()
    """
    if not is_factory(spec):
        raise InputError(f"a factory is named package.module:function, got {spec!r}")
    module_name, function_name = spec.split(":")
    try:
        with _working_directory_importable():
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, and something that it needs is not
        raise InputError(f"no module {error.name!r} for {spec}: install it or run from its folder") from error
    function = getattr(module, function_name, None)
    if function is None:
        public = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(f"{module_name} has no {function_name!r} for {spec}: {near(function_name, public)}")
    if not callable(function):
        raise InputError(f"{spec} must be a function without arguments, got {type(function).__name__}")
    found: Callable[[], object] = function
    return found


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    folder = os.getcwd()
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.reverse()  # remove takes the first of equal entries, ours is the last
        sys.path.remove(folder)
        sys.path.reverse()
