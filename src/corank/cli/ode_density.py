"""`corank ode density`: a density learnt from points by a continuous normalising flow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from corank.cli.output import print_json, say
from corank.cli.source import Flag, Options
from corank.experiment.ode.density import DensityTraining
from corank.experiment.run_folder import said
from corank.ode.flow_options import FlowOptions
from corank.report import PAGE
from corank.zoo.data.densities import load_points

PAPERS = DensityTraining()


def density(
    *,
    data: str = "moons",
    options: Annotated[FlowOptions, Options] = FlowOptions(),  # noqa: B008 - frozen
    steps: int = PAPERS.steps,
    batch_size: int = PAPERS.batch_size,
    learning_rate: float = PAPERS.learning_rate,
    seed: int = 0,
    out: Path,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Learn a density from points; an interrupted training goes on where it stopped.

    Args:
        data: 2spirals, 8gaussians, checkerboard, circles, moons or pinwheel; or a table of points, .npz (its array x)
            or .csv.
        options: of the flow.
        steps: gradient steps.
        batch_size: points a step.
        learning_rate: of Adam.
        seed: of every random draw.
        out: the run folder, with pictures of density, samples and trajectories.
        overwrite: replace the run that is in that folder.
        json: print metrics.json.
    """
    training = DensityTraining(flow=options, steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    metrics = training.run(load_points(data), out, overwrite=overwrite, report=say)
    if json:
        print_json(metrics)
        return
    found = said(metrics, out / "metrics.json", "test_log_density")
    print(f"{said(metrics, out / 'metrics.json', 'name')}: log-density {found:.4f} nats on held-out points, in {out}")
    print(f"The page: {out / PAGE}")
