"""Numbers, texts and arrays of bytes out of a pickle, which is read as data and never run.

A pickle is a program of opcodes for a small stack machine, and one of them calls any function of any module. Here
`pickletools` only lists the opcodes, and those that build plain data are carried out; nothing is imported. The few
names that numpy writes for an array of bytes stand for what this file does itself, any other is refused.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

import numpy as np

from corank.errors import InputError
from corank.zoo.data.reason import reason

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_Kind = TypeVar("_Kind")


def read_pickle(source: str, content: bytes) -> dict[str, Any]:
    """The dictionary that a pickle of protocol 2 to 5 holds, written by Python 2 or 3.

    Args:
        source: the file, for messages.
        content: the pickle. Its keys may be texts or bytes; values are whole numbers, texts, bytes, tuples, lists and
            dictionaries of these, and uint8 arrays in the dictionary itself.

    Raises:
        InputError: a damaged pickle or one that asks for anything else, with the byte at which it does.

    Example:
        >>> import pickle
        >>> read_pickle("here", pickle.dumps({b"data": np.arange(3, dtype=np.uint8), b"labels": [7]}, protocol=2))
        {'data': array([0, 1, 2], dtype=uint8), 'labels': [7]}
        >>> read_pickle("here", pickle.dumps({"trap": print}, protocol=4))
        Traceback (most recent call last):
        corank.errors.InputError: here is no pickle of plain data, byte 39 asks for 'builtins.print': get the file again
    """
    machine, place = _Machine(), 0
    try:
        for opcode, argument, position in pickletools.genops(content):
            place = position or 0
            machine.step(opcode.name, argument)
        made = machine.pop(dict)
    except ValueError as error:
        why = reason(error) if isinstance(error, _Refused) else f"cannot be read ({reason(error)[:100]})"
        raise InputError(f"{source} is no pickle of plain data, byte {place} {why}: get the file again") from error
    return {_text(key): value.values if isinstance(value, _Array) else value for key, value in made.items()}


class _Refused(ValueError):
    """What is wrong at one opcode, as a phrase that follows the place."""


class _Name(Enum):
    """What a pickle of an array may ask for by name."""

    ARRAY = auto()
    DTYPE = auto()
    UINT8 = auto()
    ENCODE = auto()
    RECONSTRUCT = auto()
    FROM_BUFFER = auto()


_NAMES = {
    "numpy.ndarray": _Name.ARRAY,
    "numpy.dtype": _Name.DTYPE,
    "_codecs.encode": _Name.ENCODE,
    "numpy.core.multiarray._reconstruct": _Name.RECONSTRUCT,
    "numpy._core.multiarray._reconstruct": _Name.RECONSTRUCT,
    "numpy.core.numeric._frombuffer": _Name.FROM_BUFFER,
    "numpy._core.numeric._frombuffer": _Name.FROM_BUFFER,
}


@dataclass(eq=False)
class _Array:
    """An array between the opcode that makes it and the one that fills it."""

    values: Bytes | None = None


class _Machine:
    """The stack of a pickle's program, the stacks set aside by its marks, and its memo."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.push(argument)
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        else:
            raise _Refused(f"has the opcode {name}")

    def push(self, item: Any) -> None:
        self.stack.append(item)

    def pop(self, *kinds: type[_Kind]) -> _Kind:
        """The top of the stack, if it is of one of the types."""
        top = self.top(*kinds)
        self.stack.pop()
        return top

    def top(self, *kinds: type[_Kind]) -> _Kind:
        if not self.stack or not isinstance(self.stack[-1], kinds):
            came = type(self.stack[-1]).__name__ if self.stack else "an empty stack"
            raise _Refused(f"needs {' or '.join(kind.__name__ for kind in kinds)}, finds {came}")
        top: _Kind = self.stack[-1]
        return top

    def mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        if not self.marked:
            raise _Refused("needs a mark, finds none")
        items, self.stack = self.stack, self.marked.pop()
        return items

    def extend(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def update(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2 or not all(isinstance(key, str | bytes | int) for key in items[::2]):
            raise _Refused("needs pairs of a plain key and a value")
        target.update(zip(items[::2], items[1::2], strict=True))

    def last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise _Refused(f"needs {count} values, finds {len(self.stack)}")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def keep(self, index: int) -> None:
        self.memo[index] = self.top(object)

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise _Refused(f"recalls {index}, which was not kept")
        self.push(self.memo[index])

    def name(self, module: str, name: str) -> None:
        asked = f"{module}.{name}"
        if asked not in _NAMES:
            raise _Refused(f"asks for {asked[:100]!r}")
        self.push(_NAMES[asked])

    def stacked_name(self) -> None:
        name = self.pop(str)
        self.name(self.pop(str), name)

    def reduce(self) -> None:
        """A call in a pickle: here one of the four that make an array, without its content or with it."""
        arguments = self.pop(tuple)
        match self.pop(_Name), arguments:
            case _Name.ENCODE, (str(text), "latin1"):
                self.push(text.encode("latin-1"))
            case _Name.DTYPE, ("u1", *_):
                self.push(_Name.UINT8)
            case _Name.RECONSTRUCT, (_Name.ARRAY, (0,), ("b" | b"b")):
                self.push(_Array())
            case _Name.FROM_BUFFER, ((bytes() | bytearray()) as content, _Name.UINT8, shape, ("C" | "F") as order):
                self.push(_Array(_shaped(content, shape, order)))
            case _:
                raise _Refused("calls for something else than an array of uint8")

    def build(self) -> None:
        """The state of an array: version, shape, type, whether columns come first, content. That of a type is known."""
        state = self.pop(tuple)
        match self.top(_Name, _Array), state:
            case _Name.UINT8, _:
                pass
            case _Array() as array, (1, shape, _Name.UINT8, bool(by_columns), (str() | bytes()) as content):
                encoded = content.encode("latin-1") if isinstance(content, str) else content
                array.values = _shaped(encoded, shape, "F" if by_columns else "C")
            case _:
                raise _Refused("builds something else than an array of uint8")


def _shaped(content: bytes | bytearray, shape: Any, order: Any) -> Bytes:
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise _Refused("has a shape that is none")
    if math.prod(shape) != len(content):
        raise _Refused(f"has {len(content)} bytes for an array of {str(shape)[:60]}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape, order=order)


def _text(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def _ignore(machine: _Machine, argument: Any) -> None:
    """Opcodes that say how the pickle is written, and the last one."""


_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "SHORT_BINSTRING", "BINSTRING"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_ACTIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _ignore,
    "FRAME": _ignore,
    "STOP": _ignore,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "MARK": lambda machine, _: machine.mark(),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.last(3))),
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "MEMOIZE": lambda machine, _: machine.keep(len(machine.memo)),
    "BINPUT": lambda machine, index: machine.keep(index),
    "LONG_BINPUT": lambda machine, index: machine.keep(index),
    "BINGET": lambda machine, index: machine.recall(index),
    "LONG_BINGET": lambda machine, index: machine.recall(index),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.stacked_name(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
