"""Auto: say what a network may cost, or how much accuracy it may lose, and get the best that the methods here make.

The network is measured once. Every method then gives its candidates within the budget: ASNets at each cut,
reduced-order networks from the last places that it reaches, channel pruning, and both behind a pruned front. All are
compared before any training, the best of each method again after the same short training, and the best of these is
trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from corank.compress.base import Compressor
from corank.compress.budget import Target
from corank.compress.budgeted import Budgeted
from corank.compress.checks import check_at_least, check_between, check_positive, check_precision
from corank.compress.race.allowance import Allowance
from corank.compress.race.course import Course, measured
from corank.compress.race.race import Race
from corank.compress.race.runner import Runner
from corank.errors import InputError
from corank.measure import Batches, OnDevice, first_that_fits
from corank.network import Cost, cost
from corank.train import Checkpoint
from corank.train.evaluate import device_of
from corank.train.progress import stage

DEEPEST = "macs=8x"
"""What the network is measured for where only the accuracy was said: how much of its end is reduced at most."""


@final
@dataclass(frozen=True, kw_only=True)
class Auto(Compressor[Budgeted]):
    """Find the best network within a budget, or the cheapest that loses little accuracy, and train it.

    At least one of target and max_drop must be given. A target is used up to 2 % where a method can: another network is
    only taken if it is 2 points more accurate on the validation samples. With both, several candidates may be trained
    until one loses little enough. A max_drop alone is searched for between 1 and 32 times fewer
    multiply-adds: budgets are tried, each with a whole race and a training, and the interval is halved on the
    logarithmic scale.

    Args:
        target: the budget: "macs=3x" and "params=10x" for so many times fewer, "macs=4e7", "params=2e5", "storage-mb=5"
            or "latency-ms=4" (one sample) for so much.
        max_drop: how many points of accuracy may be lost after training, on the validation samples, which it needs.
            They have a part in the choices, so that a network may lose a little more on others.
        multiple: the widths of pruned layers and the numbers of features that new layers keep are multiples of it,
            ranks are not.
        trial_steps: of a short training of the best candidate of every method, the same for all, after which they are
            compared; 0 compares them as they are, which is unfair to pruning.
        trainings: how many candidates may be trained in search of one that loses at most max_drop; without a max_drop
            it is always one.
        epochs: of training the chosen candidate by distillation; 0 leaves it as it was built.
        beta: weight of the original's probabilities against the labels in both trainings.
        pre_rate: step size of a kept part.
        prune_rate: the same where channels are pruned away, of which more is to be won back.
        head_rate: step size of the new layers.
        seed: of measuring and training.

    Raises:
        InputError: neither or an unknown target, or an option out of its range; from `compress` a budget that nothing
            reaches, a network that cannot be cut anywhere, in half precision or frozen, or a max_drop without
            validation batches.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
        >>> data = [(torch.randn(64, 6), torch.randint(3, (64,))) for _ in range(8)]
        >>> small = Auto(target="macs=3x", trial_steps=0, epochs=0).compress(net, data)
        >>> small.meets, small.overall.multiply_adds <= small.original.multiply_adds / 3
        (True, True)
    """

    target: str | None = None
    max_drop: float | None = None
    multiple: int = 8
    trial_steps: int = 50
    trainings: int = 3
    epochs: int = 5
    beta: float = 0.1
    pre_rate: float = 1e-4
    prune_rate: float = 1e-3
    head_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.target is None and self.max_drop is None:
            raise InputError("a target (as in macs=3x) or a max_drop (points of accuracy) must be given, got neither")
        if self.target is not None:
            Target.parsed(self.target)
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise InputError(f"max_drop must be between 0 and 100 points of accuracy, got {self.max_drop}")
        check_at_least(1, multiple=self.multiple, trainings=self.trainings)
        check_at_least(0, trial_steps=self.trial_steps, epochs=self.epochs)
        check_between(0, 1, beta=self.beta)
        check_positive(pre_rate=self.pre_rate, prune_rate=self.prune_rate, head_rate=self.head_rate)

    def _compress(
        self, network: nn.Module, batches: Batches, validation: Batches | None, checkpoint: Checkpoint | None
    ) -> Budgeted:
        self._check(network, validation)
        there = OnDevice(batches, device_of(network))
        example = first_that_fits(network, there)
        original = cost(network, example.shape[1:], example.dtype)
        start = self._allowance(network, original, example, self.target or DEEPEST)
        with stage("measuring the network"):
            course = measured(network, batches, validation, reaches=start.reaches, seed=self.seed)
        runner = Runner(
            network=network, course=course, batches=batches, validation=validation, checkpoint=checkpoint,
            beta=self.beta, pre_rate=self.pre_rate, prune_rate=self.prune_rate, head_rate=self.head_rate,
            seed=self.seed,
        )  # fmt: skip
        race = Race(runner=runner, batches=there, multiple=self.multiple, trial_steps=self.trial_steps,
                    epochs=self.epochs, trainings=self.trainings)  # fmt: skip
        found = race.within(start, self.max_drop) if self.target else race.cheapest(start, self.max_drop or 0.0)
        trained, chosen = found.trained, found.trained.entry.candidate
        return Budgeted(
            network=trained.network,
            fitted=trained.entry.built.network if trained.history else None,
            training=trained.history,
            original=original,
            overall=chosen.cost,  # the base counts it again
            message="; ".join([*found.laps[-1].left, *_grown(chosen.cost, original), *_doubts(course, validation)]),
            target=start.target if self.target else None,
            max_drop=self.max_drop,
            limit=start.limit if self.target else None,
            reached=chosen.reached if self.target else None,
            candidates=tuple(sorted(found.candidates, key=lambda one: -one.judged)),
            chosen=chosen,
            reason=found.reason,
            meets=found.meets,
            accuracy_original=course.judging.accuracy,
            samples_judging=len(course.judging.labels),
            measure_seconds=course.seconds,
            search_seconds=sum(lap.search_seconds for lap in found.laps),
            judge_seconds=sum(lap.judge_seconds for lap in found.laps),
        )

    def _check(self, network: nn.Module, validation: Batches | None) -> None:
        check_precision(network, "a search within a budget")
        if validation is None and self.max_drop is not None:
            raise InputError("a max_drop is kept on samples that took no part in training: give validation batches")
        if (self.epochs or self.trial_steps) and not any(value.requires_grad for value in network.parameters()):
            raise InputError(
                "no parameter of the network requires a gradient, so what is kept of it cannot be trained: unfreeze "
                "some, or take 0 epochs and 0 trial_steps"
            )

    def _allowance(self, network: nn.Module, original: Cost, example: Tensor, text: str) -> Allowance:
        allowance = Allowance.of(Target.parsed(text), network, original, example)
        if allowance.whole <= allowance.limit:
            raise InputError(
                f"the network keeps the budget {text!r} as it is, with {allowance.whole:.4g} {allowance.target.unit}: "
                "allow less"
            )
        return allowance


def _doubts(course: Course, validation: Batches | None) -> list[str]:
    """What is said of judgements and bases that rest on the wrong samples."""
    told = [] if course.bases is None else course.bases.doubts
    if validation is None:
        told = [*told, "judged on samples that it was made from: give validation batches for an honest choice"]
    return told


def _grown(small: Cost, original: Cost) -> list[str]:
    """What is said of a network that stores more than the original."""
    if small.parameters <= original.parameters:
        return []
    return [
        f"it holds {small.parameters:,} parameters, more than the {original.parameters:,} of the original: a target of "
        "params or storage-mb keeps them few"
    ]
