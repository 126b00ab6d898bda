"""The exceptions that a user meets, each with a single line instead of a traceback.

`InputError` is for what a user gave and can mend: what was expected, what came, what to do; the command line turns
it into exit code 2. `ProcessError` is for a process of a run that died. Anything else that escapes is a defect.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something the caller passed cannot be used; the message names the value and the way on.

    Example:
        >>> raise InputError("rank must be between 1 and 8, got 9")
        Traceback (most recent call last):
        corank.errors.InputError: rank must be between 1 and 8, got 9
    """


class ProcessError(RuntimeError):
    """Another process of the same run is gone, so that this one cannot go on."""


def near(name: str, known: Iterable[str], limit: int = 5) -> str:
    """The known names that resemble a mistyped one, as the tail of an error message.

    Example:
        >>> near("conv3", ["conv1", "conv2", "fc"], limit=2)
        'did you mean conv2, conv1?'
        >>> near("zzz", ["conv1", "fc"])
        'known: conv1, fc'
    """
    names = list(known)
    close = get_close_matches(name, names, n=limit, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(close)}?"
    shown = names[: 2 * limit]
    return f"known: {', '.join(shown)}{', ...' if len(names) > len(shown) else ''}"
