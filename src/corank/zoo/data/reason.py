"""Why a file could not be read, short enough for the one line of a message."""

from __future__ import annotations


def reason(error: BaseException) -> str:
    r"""The first line of an error's text, or its kind where it has none.

    Example:
        >>> reason(OSError("truncated\nby 3 bytes")), reason(EOFError())
        ('truncated', 'EOFError')
    """
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
