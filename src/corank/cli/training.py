"""What the commands that train a network have in common."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from corank.cli.output import print_json, say
from corank.cli.source import Source
from corank.experiment import Training
from corank.experiment.processes import is_first_process
from corank.experiment.run_folder import said
from corank.report import PAGE

EVERY_SECONDS = 5.0  # a log has a line at most so often


def now_and_then(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Tells what is new if it was silent for some seconds; what comes in between is left out."""
    before = time.monotonic()

    def told(words: str) -> None:
        nonlocal before
        if time.monotonic() - before >= EVERY_SECONDS:
            tell(words)
            before = time.monotonic()

    return told


def train_and_tell(
    source: Source,
    training: Training,
    out: Path,
    *,
    options: Mapping[str, Any] | None = None,
    overwrite: bool,
    json: bool,
) -> None:
    """Train a network, write its run folder and say how well it does; where no terminal shows a bar, epochs are told.

    Args:
        source: the network and the data.
        training: how.
        out: the run folder.
        options: of a neural ODE of the zoo.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
    """
    opened, dataset = source.open(untrained=True, options=options)
    more = {} if sys.stderr.isatty() else {"each_epoch": now_and_then(say)}  # a terminal has a bar
    run = training.run(opened, dataset, out, overwrite=overwrite, report=say, **more)
    if not is_first_process():
        return
    if json:
        print_json(run.metrics)
    else:
        accuracy = said(run.metrics, out / "metrics.json", "test_accuracy")
        print(f"{opened.origin.name} on {dataset.name}: test accuracy {accuracy:.2%}, in {out}")
        print(f"The page: {out / PAGE}")
