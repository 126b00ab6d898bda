"""The command that says how fragile a network is, and why."""

from __future__ import annotations

from pathlib import Path

from corank.cli.output import print_json, print_table, say
from corank.cli.source import Flag, Source
from corank.experiment.fragility.options import Diagnosing
from corank.experiment.fragility.page import agreement_table
from corank.experiment.fragility.run import FOLDER, run_fragility
from corank.experiment.run_folder import said
from corank.report import PAGE


def fragility(
    *,
    given: Source,
    images: int = Diagnosing.images,
    class_: str | None = None,
    target_class: str | None = None,
    towards: Path | None = None,
    points: int = Diagnosing.points,
    steps: int = Diagnosing.steps,
    out: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Say for each image what a network looks at, how little is foretold to fool it, and how little attacks need.

    Args:
        given: the network and the data.
        images: of the test split, at most.
        class_: the name or number of the only class whose images are taken.
        target_class: the only class that paths lead to; by default the nearest training example of any other class.
        towards: an image file that all paths lead to instead.
        points: of each path, both ends among them.
        steps: of each minimum-norm attack.
        out: a folder for a page with figures and fragility.json; an interrupted diagnosis goes on from it.
        overwrite: replace the diagnosis that is in that folder.
        json: print what was found as JSON.
    """
    given.spare(out, overwrite)
    options = Diagnosing(
        images=images, class_=class_, target_class=target_class, towards=towards, points=points, steps=steps,
        seed=given.seed,
    )  # fmt: skip
    opened, dataset = given.open()
    found = run_fragility(opened, dataset, options, out, overwrite=overwrite, report=say)
    if json:
        print_json(found)
        return
    for sentence in said(found, Path() if out is None else out / FOLDER.numbers, "summary"):
        print(sentence)
    print_table(agreement_table(found["agreement"]))
    if out is not None:
        print(f"The page: {out / PAGE}")
