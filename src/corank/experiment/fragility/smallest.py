"""The smallest perturbations that attacks find, some inputs at a time, kept on disk so that an interrupted run goes on.

Three attacks in the Euclidean norm: the fast minimum-norm attack towards the class at the path's end and towards any
other, and DeepFool. What was found towards one class counts as found towards any.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from corank.attack.deepfool import DeepFool
from corank.attack.fast_minimum_norm import FastMinimumNorm
from corank.errors import InputError
from corank.experiment import run_folder
from corank.experiment.attack_setting import Attacked
from corank.measure import Pairs
from corank.network import load_tensors, save_tensors

PART = 200  # inputs that are attacked together, after which they are kept
SHOWN = 4  # of each part the perturbations of so many of the smallest, and of the largest, are kept for pictures
OPTIONS = "options.json"


@dataclass(frozen=True, eq=False)
class Smallest:
    """What attacks found for some inputs.

    Attributes:
        towards: `(m,)` the smallest perturbation into the class of the path's end, infinite where none was found.
        found: `(m,)` the smallest into any other class.
        classes: `(m,)` that it leads to.
        places: `(k,)` of the inputs with the smallest and the largest of these.
        perturbations: `(k, ...)` of those inputs.
    """

    towards: Tensor
    found: Tensor
    classes: Tensor
    places: Tensor
    perturbations: Tensor


def smallest_found(
    attacked: Attacked,
    pairs: Pairs,
    *,
    steps: int,
    seed: int,
    folder: Path | None = None,
    options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    told: Callable[[int], None] = lambda done: None,
) -> Smallest:
    """Attack all inputs, part by part.

    Args:
        attacked: the network.
        pairs: inputs, all classified rightly, and where their paths lead.
        steps: of each minimum-norm attack.
        seed: of the attacks.
        folder: where finished parts are kept; None for nowhere.
        options: what makes the run this one.
        overwrite: whether the parts of another run there may be deleted.
        told: how many inputs are done, after each part.

    Raises:
        InputError: the folder has the parts of another run.
    """
    if folder is not None:
        _open(folder, options or {}, overwrite)
    parts = []
    for start in range(0, len(pairs), PART):
        some = slice(start, start + PART)
        file = None if folder is None else folder / f"part-{start}.safetensors"
        if file is not None and file.is_file():
            part = load_tensors(file)
        else:
            part = _attacked(attacked, pairs, some, steps, seed)
            if file is not None:
                save_tensors(part, file)
        parts.append({**part, "places": part["places"] + start})
        told(min(start + PART, len(pairs)))
    return Smallest(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})


def _open(folder: Path, options: Mapping[str, Any], overwrite: bool) -> None:
    """Refuse the parts of a run with other options, or delete them."""
    if (folder / OPTIONS).is_file():
        try:
            run_folder.refuse_difference(folder, "diagnosis", run_folder.read_json(folder / OPTIONS), options)
            return
        except InputError:
            if not overwrite:
                raise
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run_folder.write_json(folder / OPTIONS, options)


def _attacked(attacked: Attacked, pairs: Pairs, some: slice, steps: int, seed: int) -> dict[str, Tensor]:
    x, labels, others = pairs.starts[some], pairs.start_classes[some], pairs.end_classes[some]
    minimum, network, bounds = FastMinimumNorm(norm="l2", steps=steps, seed=seed), attacked.network, attacked.bounds
    aimed = minimum.attack(network, x, labels, bounds=bounds, targets=others)
    tries = [
        aimed,
        minimum.attack(network, x, labels, bounds=bounds),
        DeepFool(seed=seed).attack(network, x, labels, bounds=bounds),
    ]
    lengths = torch.stack([one.distances for one in tries])
    found, best = lengths.min(0)
    rows = torch.arange(len(x), device=x.device)
    inputs = torch.stack([one.inputs for one in tries])[best, rows]
    order = found.argsort()
    places = torch.unique(torch.cat([order[:SHOWN], order[-SHOWN:]]))
    return {
        "towards": aimed.distances.double().cpu(), "found": found.double().cpu(),
        "classes": torch.stack([one.classes for one in tries])[best, rows].cpu(), "places": places.cpu(),
        "perturbations": (inputs - x)[places].cpu(),
    }  # fmt: skip
