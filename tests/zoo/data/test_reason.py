"""A reason is always one line."""

from __future__ import annotations

import pytest

from corank.zoo.data.reason import reason


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(2, "No such file"), "[Errno 2] No such file"),
        (ValueError("a\nb"), "a"),
        (EOFError(), "EOFError"),
    ],
)
def test_a_reason_is_one_line(error: Exception, line: str) -> None:
    assert reason(error) == line
