"""What is kept quiet is kept quiet for the block only, also when the block fails."""

from __future__ import annotations

import logging
import sys
import warnings

import pytest

from corank.network.quiet import quiet


def test_quiet_ends_with_the_block(capfd: pytest.CaptureFixture[str]) -> None:
    def speak_and_fail() -> None:
        print("a word", file=sys.stderr)
        warnings.warn("a warning", stacklevel=1)
        assert not logging.getLogger("torch").isEnabledFor(logging.ERROR)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), quiet():
        speak_and_fail()
    print("another", file=sys.stderr)
    assert capfd.readouterr().err == "another\n"
    assert logging.getLogger("torch").isEnabledFor(logging.ERROR)
