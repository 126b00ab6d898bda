"""The progress of long work, a bar or a line: on standard error, on a terminal, and nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int, float, float], None]


@contextmanager
def progress_bar(label: str, *, epochs: int, steps: int, done: int, shown: bool | None) -> Iterator[Advance]:
    """A bar over all steps; yields `advance(epoch, loss, learning_rate)`, to be called after each step.

    Args:
        label: what is being done.
        epochs: how many epochs there will be.
        steps: how many steps an epoch has.
        done: epochs that were done before.
        shown: whether to show it; None means on a terminal only.

    Example:
        >>> with progress_bar("training", epochs=1, steps=2, done=0, shown=False) as advance:
        ...     advance(1, 0.5, 0.1)
    """
    visible = sys.stderr.isatty() if shown is None else shown
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        TextColumn("loss {task.fields[loss]}  rate {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not visible) as bar:
        task = bar.add_task(
            label, total=epochs * steps, completed=done * steps, epoch=done, epochs=epochs, loss="-", rate="-"
        )

        def advance(epoch: int, loss: float, learning_rate: float) -> None:
            if visible:
                bar.update(task, advance=1, epoch=epoch, loss=f"{loss:.4f}", rate=f"{learning_rate:.2g}")

        yield advance


@contextmanager
def stage(label: str, *, shown: bool | None = None) -> Iterator[Callable[[str], None]]:
    """A line with a clock while something goes on that has no steps to count; yields what puts other words there.

    Args:
        label: what is being done.
        shown: whether to show it; None means on a terminal only.

    Example:
        >>> with stage("measuring", shown=False) as said:
        ...     said("measuring, half done")
    """
    visible = sys.stderr.isatty() if shown is None else shown
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not visible) as bar:
        task = bar.add_task(label, total=None)
        yield lambda words: bar.update(task, description=words)
