"""What commands print: results on standard output, stages on standard error, by the first process only."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

from corank.experiment.processes import is_first_process
from corank.report import Table, table_text
from corank.result import jsonable

PIPE_WIDTH = 160  # of a table where no terminal says how wide it is


def say(stage: str) -> None:
    """Name a stage of long work as it begins."""
    if is_first_process():
        print(f"corank: {stage}", file=sys.stderr, flush=True)


def print_json(values: Any) -> None:
    """Values as JSON has them."""
    print(json.dumps(jsonable(values), indent=1, allow_nan=False), flush=True)


def print_table(table: Table) -> None:
    """A table as wide as the terminal."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(table_text(table.columns, table.rows, table.caption))
