"""The command line: parse, call, print.

The options of a method are the fields of its class, found by walking its room. Results go to standard output,
progress and messages to standard error. Exit codes: 0 done, 1 a process of several died, 2 the user's mistake in one
line, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError, UnusedCliTokensError

from corank.cli.commands import app
from corank.errors import InputError, ProcessError, near
from corank.experiment.processes import is_first_to_fail

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except UnusedCliTokensError as error:
        return _failed(_too_much(error), MISTAKE)
    except (CycloptsError, InputError) as error:
        return _failed(str(error), MISTAKE)
    except ProcessError as error:
        return _failed(str(error), FAILED)
    except KeyboardInterrupt:
        return _failed("interrupted; what was finished is kept", INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _too_much(error: UnusedCliTokensError) -> str:
    """A word that no option takes may be a mistyped command."""
    command, (word, *_) = app, error.unused_tokens or [""]
    for name in error.command_chain or ():
        command = command[name]
    names = [name for name in command if not name.startswith("-")]
    return f"unexpected {word!r}: {near(word, names) if names else 'options begin with --'}"


def _failed(reason: str, code: int) -> int:
    """Say in one line why this run ends, if no other process of it has said so; the code to end with."""
    if is_first_to_fail():
        print(f"corank: {' '.join(reason.split())}", file=sys.stderr)
    return code
