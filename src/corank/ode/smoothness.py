"""The (S, n)-criterion: whether a trained ODE block has learnt a smooth dynamical system, or only its solver's steps.

Daulbaev's thesis, section 3.3.2 and Fig. 3.1. A network trained with a solver S and n evaluations of the field is
evaluated with stronger ones. If its accuracy does not drop, the blocks solve an equation, and a better solution is as
good; if it drops, the network has learnt the errors of its solver. The thesis' text counts evaluations, its authors'
code steps, which differ by the number of stages: rows report both, and stronger means more evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import evaluation_mode
from corank.ode.block import ODEBlock, blocks_of, solved_with
from corank.ode.meta import Regime, Standalone
from corank.ode.solvers import RK4, Euler, FixedSolver, Midpoint
from corank.result import Result, Scalar
from corank.train.evaluate import Batches, device_of

Verdict = Literal["smooth", "not smooth", "undecided"]
FACTORS = (2, 4, 8)
"""Of the evaluations in training: what is tried where nobody says otherwise."""
STRONGER: dict[str, Callable[[int], FixedSolver]] = {
    "Euler": lambda steps: Euler(steps=steps),
    "RK2": lambda steps: Midpoint(steps=steps),
    "RK4": lambda steps: RK4(steps=steps),
}
_STAGES = {"Euler": 1, "RK2": 2, "RK4": 4}
_SIGMAS = 2.0


@final
@dataclass(frozen=True, kw_only=True)
class SolverAccuracy:
    """What a network does with one solver.

    Attributes:
        solver: its name.
        steps: of one solve; of an adaptive solver, the mean over blocks and batches.
        evaluations: of the field in one solve, likewise.
        accuracy: of the network.
        drop: how much lower that is than with the solver of the training.
        standard_error: of the drop, from the samples on which the two differ.
    """

    solver: str
    steps: float
    evaluations: float
    accuracy: float
    drop: float = 0.0
    standard_error: float = 0.0


@final
@dataclass(frozen=True, kw_only=True)
class Smoothness(Result):
    """What the criterion says of a trained network.

    Attributes:
        verdict: `smooth` where no stronger solver can be worse by more than the tolerance, `not smooth` where one is,
            each with two standard errors to spare; else `undecided`, also where the network has learnt nothing.
        message: the same in words.
        tolerance: the drop of accuracy that counts as none.
        samples: that were classified.
        trained: with the solver of the training.
        stronger: with stronger solvers.
    """

    verdict: Verdict
    message: str
    tolerance: float
    samples: int
    trained: SolverAccuracy
    stronger: tuple[SolverAccuracy, ...]

    def row(self) -> dict[str, Scalar]:
        """The verdict, and the two accuracies that it rests on."""
        return {
            "verdict": self.verdict,
            "trained with": self.trained.solver,
            "evaluations": self.trained.evaluations,
            "accuracy": self.trained.accuracy,
            "worst solver": self.worst.solver,
            "worst evaluations": self.worst.evaluations,
            "worst accuracy": self.worst.accuracy,
        }

    @property
    def worst(self) -> SolverAccuracy:
        """The stronger solver with the largest drop."""
        return max(self.stronger, key=lambda row: row.drop)


def smoothness(
    network: nn.Module,
    batches: Batches,
    *,
    evaluations: Sequence[int] = (),
    tolerance: float = 0.01,
    report: Callable[[str], None] = lambda stage: None,
) -> Smoothness:
    """Evaluate a trained network with stronger solvers than it was trained with.

    Args:
        network: answering with logits, with ODE blocks that have the solver of their training; it is not changed.
        batches: of inputs and labels.
        evaluations: of the field in one solve that are tried, multiples of four; by default 2, 4 and 8 times those of
            the training, rounded up to such.
        tolerance: the drop of accuracy that counts as none.
        report: told of each solver as it begins.

    Raises:
        InputError: a network without ODE blocks or whose blocks have different solvers, a number out of its range, or
            no stronger solver.
    """
    if not 0 <= tolerance < 1:
        raise InputError(f"tolerance must be at least 0 and below 1, got {tolerance}")
    for count in evaluations:
        if count < 1 or count % 4:
            raise InputError(f"evaluations must be positive multiples of 4, which fit all solvers, got {count}")
    blocks = list(blocks_of(network).values())
    regime = _one_regime(network, blocks)
    report(f"with {describe(regime)}, as it was trained")
    hits, steps, used = _hits(network, blocks, regime, batches)
    trained = SolverAccuracy(
        solver=describe(regime), steps=steps, evaluations=used, accuracy=float(hits.double().mean())
    )
    counts = sorted({*evaluations} or {4 * math.ceil(factor * used / 4) for factor in FACTORS})
    wanted = [(name, count) for name in STRONGER for count in counts if count > used]
    if not wanted:
        raise InputError(
            f"stronger solvers than the {used:g} evaluations of the training are needed, got {list(evaluations)}"
        )
    rows = []
    for name, count in wanted:
        steps_tried = count // _STAGES[name]
        report(f"with {name}, {steps_tried} steps")
        own, _, _ = _hits(network, blocks, Standalone(solver=STRONGER[name](steps_tried)), batches)
        rows.append(_compared(name, steps_tried, count, hits, own))
    verdict, message = _judged(rows, tolerance)
    chance = _largest_share(batches)
    if trained.accuracy <= chance + _SIGMAS * math.sqrt(chance * (1 - chance) / len(hits)):
        verdict = "undecided"
        message = (
            f"with its own solver the network is right for {trained.accuracy:.2%}, no more than the largest class "
            f"({chance:.2%}): train it first"
        )
    return Smoothness(
        verdict=verdict, message=message, tolerance=tolerance, samples=len(hits), trained=trained, stronger=tuple(rows)
    )


def describe(regime: Regime) -> str:
    """A regime's solver in evaluation, in a word or two."""
    (_, first), *others = regime.settled
    name = type(first).__name__
    return f"{name} and {len(others)} more" if others else name


def _one_regime(network: nn.Module, blocks: Sequence[ODEBlock]) -> Regime:
    if not blocks:
        raise InputError(f"the criterion is about networks with ODE blocks, {type(network).__name__} has none")
    regimes = [block.regime for block in blocks]
    if any(regime != regimes[0] for regime in regimes):
        raise InputError("the criterion needs one solver of the training, the ODE blocks of this network have several")
    return regimes[0]


@torch.no_grad()
def _hits(
    network: nn.Module, blocks: Sequence[ODEBlock], regime: Regime, batches: Batches
) -> tuple[Tensor, float, float]:
    """Which samples are classified right, and the mean steps and evaluations of a solve."""
    right, steps, evaluations = [], [], []
    device = device_of(network)
    with evaluation_mode(network), solved_with(network, regime):
        for x, y in batches:
            right.append(network(x.to(device)).argmax(1).cpu() == y)
            for block in blocks:
                steps.append(sum(one.steps for one in block.statistics))
                evaluations.append(sum(one.evaluations_forward for one in block.statistics))
    if not right:
        raise InputError("the batches hold no samples: give at least one")
    return torch.cat(right), sum(steps) / len(steps), sum(evaluations) / len(steps)


def _largest_share(batches: Batches) -> float:
    """The share of the samples that are of the commonest class."""
    labels = torch.cat([y for _, y in batches])
    return float(labels.bincount().max()) / len(labels)


def _compared(name: str, steps: int, evaluations: int, trained: Tensor, own: Tensor) -> SolverAccuracy:
    """The drop with its standard error: of a mean of differences that are -1, 0 or 1."""
    difference = trained.double() - own.double()
    spread = float(difference.var(correction=0)) / len(difference)
    return SolverAccuracy(
        solver=name,
        steps=steps,
        evaluations=evaluations,
        accuracy=float(own.double().mean()),
        drop=float(difference.mean()),
        standard_error=math.sqrt(spread),
    )


def _judged(rows: Sequence[SolverAccuracy], tolerance: float) -> tuple[Verdict, str]:
    worst = max(rows, key=lambda row: row.drop - _SIGMAS * row.standard_error)
    by = f"{worst.solver} with {worst.evaluations:g} evaluations"
    if worst.drop - _SIGMAS * worst.standard_error > tolerance:
        return "not smooth", (
            f"{by} loses {worst.drop:.2%} of accuracy: the network has learnt the steps of its solver"
        )
    if all(row.drop + _SIGMAS * row.standard_error <= tolerance for row in rows):
        return "smooth", f"no stronger solver loses more than {tolerance:.2%} of accuracy: the blocks solve an equation"
    return "undecided", f"the samples are too few to tell a drop of {tolerance:.2%} from none: take more of them"
