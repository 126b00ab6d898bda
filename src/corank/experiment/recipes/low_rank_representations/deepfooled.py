"""What DeepFool adds to images of networks with and without low-rank layers (Sanyal et al. 2020, Figures 3 and 10).

The figures show pictures; what the text says of them is that perturbations are larger where there are low-rank layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from corank.attack.deepfool import DeepFool
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column, Grid, digest, every
from corank.experiment.recipes.low_rank_representations.models import (
    DEFENDED,
    MNIST,
    MODELS,
    PLAIN,
    RESNET18,
    SMALL,
    Comparing,
    images_of,
)

RHO = Column(name="rho", better="higher")
SUCCEEDED = Column(name="succeeded", unit="%")
COLUMNS = (RHO, SUCCEEDED)
AXES = ("model",)
_CELLS = every(model=MODELS)
PRESETS = {
    "smoke": (Grid(cells=_CELLS, options=SMALL, stands_in=True),),
    "quick": (Grid(cells=_CELLS, options=MNIST, stands_in=True),),
    "paper": (Grid(cells=_CELLS, options=RESNET18),),
}


def deepfool_row(cell: Cell[Comparing], bench: Bench) -> dict[str, Any]:
    """Both columns above: the mean relative length of what is added, and the share of images that it fools."""
    options, model = cell.options, str(cell.axes["model"])
    key = f"low_rank_representations/deepfool/{digest([asdict(options), model])}/seed-{cell.seed}"
    return dict(bench.store.once(key, lambda: _fooled(options, model, cell.seed, bench)))


def adds_more(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether more is added to fool each model with low-rank layers than to fool the plain one."""
    found = {row["model"]: row[RHO.name] for row in rows}
    ours = [found[model] for model in DEFENDED if model in found]
    return all(rho > found[PLAIN] for rho in ours) if ours and PLAIN in found else None


def _fooled(options: Comparing, model: str, seed: int, bench: Bench) -> dict[str, Any]:
    judged = options.trained(model, bench)
    found = DeepFool(seed=seed).attack(judged.network, *images_of(judged), bounds=judged.data.bounds)
    return {RHO.name: found.rho, SUCCEEDED.name: 100 * float(found.succeeded.double().mean())}
