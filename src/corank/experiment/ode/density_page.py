"""The page of a density that was learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corank.experiment.ode.learnt import LearntDensity
from corank.experiment.run_folder import versions
from corank.report import Figure, Page, Section
from corank.report.figures.densities import density_panels, flow_ways
from corank.report.figures.loss_by_cost import LossPoint, loss_by_cost
from corank.report.format import compact, number


def density_page(found: LearntDensity, folder: Path, options: Mapping[str, Any]) -> Page:
    """The page of a flow's fit.

    Args:
        found: the fit.
        folder: of the run, as the user named it.
        options: of the training, for the provenance.
    """
    last = found.rows[-1]
    summary = [
        f"After {last.step:,} steps the flow gives {found.test_points:,} held-out points of {found.name} a log-density "
        f"of {number(found.test_log_density)} nats on average.",
        f"A step evaluates the field {last.evaluations_forward} times forward and {last.evaluations_backward} times "
        f"backward (gradient: {last.gradient}).",
    ]
    if found.mass is not None:
        summary.append(f"Over the picture the density sums up to {found.mass:.3f}; what is missing to 1 lies outside.")
    return Page(
        title=f"The density of {found.name}",
        subtitle="A continuous normalising flow: a Gaussian carried to the data by an ordinary differential equation",
        summary=tuple(summary),
        facts=(
            ("log-density, held out", f"{number(found.test_log_density)} nats"),
            ("steps", compact(last.step)),
            ("seconds", number(last.seconds)),
        ),
        sections=(
            Section("What was learnt", figures=density_figures(found)),
            Section("Load the flow", text=("These lines evaluate the density and draw from it.",), code=_code(folder)),
        ),
        provenance={**_flat(options), **versions()},
    )


def density_figures(found: LearntDensity) -> tuple[Figure, ...]:
    """Density and samples, the ways to them, and the course of the training."""
    points = [
        LossPoint(**{name: value for name, value in asdict(row).items() if name != "gradient"}) for row in found.rows
    ]
    return (
        density_panels(found.density, found.data, found.samples, found.low, found.high, found.name),
        flow_ways(found.ways, found.name),
        loss_by_cost(points),
    )


def _code(folder: Path) -> str:
    return (
        "import corank\n"
        f'flow = corank.load("{folder}")\n'
        "log_density = flow.log_density(points)  # (B,) of (B, dimension)\n"
        "samples = flow.sample(1000)"
    )


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, those of the flow among them; what was left open is left out."""
    flow = options.get("flow", {})
    named = {name: value for name, value in {**options, **flow}.items() if name != "flow" and value is not None}
    return {name.replace("_", " "): value for name, value in named.items()}
