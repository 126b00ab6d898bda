"""What is kept quiet is kept quiet for the block only, also when the block fails."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest

from corank.network.quiet import quiet, quiet_libraries


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


def test_compiled_code_is_quiet_for_the_block_only(capfd: pytest.CaptureFixture[str]) -> None:
    def speak_and_fail() -> None:
        os.write(2, b"a word\n")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), quiet_libraries():
        speak_and_fail()
    os.write(2, b"another\n")
    assert capfd.readouterr().err == "another\n"
