"""What Tables 4.2 and 4.4 share: examples made on another network, tried on one with Meta ODE blocks.

The other networks are those of RobustBench. Where it is not there, one is trained here as Wong, Rice and Kolter do.
DeepFool's perturbations are cut to each radius, as the library does that the thesis names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module

from torch import Tensor, nn

from corank.attack import FGSM, PGD, DeepFool, SampleAttack
from corank.attack.budget import Budget
from corank.errors import InputError
from corank.experiment.bench import Bench
from corank.experiment.recipe import Cell, Column
from corank.experiment.recipes.thesis.classifying import Trained
from corank.experiment.recipes.thesis.meta import MIDPOINT, Meta, attacked_samples, fast_trained, solved
from corank.train import accuracy

WONG = "Wong, Rice, and Kolter"
SOURCES = {"Carmon et al.": "Carmon2019Unlabeled", "Sehwag et al.": "Sehwag2021Proxy", WONG: "Wong2020Fast"}
ATTACKS = ("deepfool", "fgsm", "pgd")
LEVELS = 255


@dataclass(frozen=True, kw_only=True)
class BlackBox(Meta):
    """Under which circumstances networks are trained and attacked.

    Attributes:
        source_network: a name of the zoo, which is trained here; None takes the network of RobustBench.
    """

    pgd_steps: int = 20
    source_network: str | None = field(default=None, metadata={"none": "that of RobustBench"})


def robust_columns(radii: Sequence[int]) -> tuple[Column, ...]:
    """The accuracies under perturbations of these radii in steps of 8-bit images."""
    return tuple(Column(name=f"robust_{radius}", unit="%", better="higher") for radius in radii)


def robust_row(made: Trained, cell: Cell[BlackBox], bench: Bench, radii: Sequence[int]) -> dict[str, float]:
    """How often a network is right about examples that the cell's attack makes on its source."""
    options, name = cell.options, str(cell.axes["attack"])
    tried, source = (
        solved(made.network, MIDPOINT, options),
        _source(str(cell.axes["source"]), options, bench, cell.seed),
    )
    images, labels = attacked_samples(made, options)

    def made_by(attack: SampleAttack) -> Tensor:
        return attack.attack(tried, images, labels, bounds=made.data.bounds, source=source).inputs

    budgets = {f"robust_{radius}": Budget(norm="linf", radius=radius / LEVELS) for radius in radii}
    if name == "deepfool":
        moves = made_by(DeepFool(norm="linf", steps=options.deepfool_steps, halvings=0)) - images
        inputs = {column: images + budget.within(moves) for column, budget in budgets.items()}
    else:
        inputs = {column: made_by(_bounded(name, budget, cell)) for column, budget in budgets.items()}
    return {column: 100 * accuracy(tried, [(moved, labels)]) for column, moved in inputs.items()}


def _bounded(name: str, budget: Budget, cell: Cell[BlackBox]) -> SampleAttack:
    if name == "fgsm":
        return FGSM(norm=budget.norm, radius=budget.radius)
    return PGD(norm=budget.norm, radius=budget.radius, steps=cell.options.pgd_steps, seed=cell.seed)


def _source(name: str, options: BlackBox, bench: Bench, seed: int) -> nn.Module:
    """The network that examples are made on.

    Raises:
        InputError: it is to be RobustBench's, which is not installed.
    """
    if options.source_network is not None:
        return fast_trained(replace(options, network=options.source_network), {}, bench, seed).network
    try:
        zoo = import_module("robustbench.utils")
    except ImportError as error:
        raise InputError(
            f"the network of {name} is one of RobustBench: pip install robustbench, or take the preset quick"
        ) from error
    network: nn.Module = zoo.load_model(model_name=SOURCES[name], dataset="cifar10", threat_model="Linf")
    return network.eval()
