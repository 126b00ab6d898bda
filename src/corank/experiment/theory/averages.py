"""Runs of the linear experiment put together: the averages of the paper's Table 2, a row a dimension for Figure 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from corank.errors import InputError
from corank.experiment.theory.linear import LinearRun, linear_run
from corank.experiment.theory.options import TheoryTraining
from corank.result import Result, Scalar
from corank.train.randomness import derived_seed


@dataclass(frozen=True, kw_only=True)
class Averages(Result):
    """Means over some runs, None over none.

    Attributes:
        mean_abs_cos_theta_1: how much of the feature the networks look at.
        mean_phi: the prediction of it.
        mean_gap: how far the prediction is off, run by run.
    """

    mean_abs_cos_theta_1: float | None
    mean_phi: float | None
    mean_gap: float | None

    def row(self) -> dict[str, Scalar]:
        """The three means."""
        return {"|cos theta_1|": self.mean_abs_cos_theta_1, "phi": self.mean_phi, "gap": self.mean_gap}


@dataclass(frozen=True, kw_only=True)
class DimensionAverages(Averages):
    """The means over the valid runs at one dimension: accuracy 1 on all points and |cos theta_2| above 0.9.

    Attributes:
        dimension: of the points.
        runs: how many were trained.
        runs_accurate: of them with accuracy 1.
        runs_valid: of these with |cos theta_2| above 0.9.
        runs_excluded: all others.
        standard_error: of `mean_abs_cos_theta_1`; None for fewer than two valid runs.
        unfiltered: the means over all runs.
    """

    dimension: int
    runs: int
    runs_accurate: int
    runs_valid: int
    runs_excluded: int
    standard_error: float | None
    unfiltered: Averages

    def row(self) -> dict[str, Scalar]:
        """Dimension, counts and means."""
        return {"d": self.dimension, "runs": self.runs, "valid": self.runs_valid, **super().row()}


def train_runs(
    dimension: int,
    runs: int,
    seed: int,
    options: TheoryTraining,
    report: Callable[[str], None] = lambda stage: None,
) -> tuple[LinearRun, ...]:
    """Independent runs at one dimension.

    Args:
        dimension: of the points.
        runs: how many.
        seed: that theirs are derived from.
        options: of the training.
        report: told before the first.

    Raises:
        InputError: fewer than one run, or a dimension out of range.
    """
    if runs < 1:
        raise InputError(f"runs must be at least 1, got {runs}")
    report(f"{runs} linear networks at dimension {dimension}, {1 << dimension:,} points each")
    return tuple(linear_run(dimension, derived_seed(seed, dimension, run), options) for run in range(runs))


def averaged(runs: Sequence[LinearRun]) -> DimensionAverages:
    """Runs at one dimension put together.

    Example:
        >>> run = LinearRun(dimension=5, accuracy=1.0, cos_theta_1=-0.5, cos_theta_2=0.99, phi=0.4)
        >>> found = averaged([run, LinearRun(dimension=5, accuracy=0.9, cos_theta_1=0.2, cos_theta_2=0.99, phi=0.4)])
        >>> found.runs_valid, found.runs_excluded, found.mean_abs_cos_theta_1, found.unfiltered.mean_abs_cos_theta_1
        (1, 1, 0.5, 0.35)
    """
    valid = [run for run in runs if run.is_valid]
    found = [abs(run.cos_theta_1) for run in valid]
    means = _means(valid)
    return DimensionAverages(
        mean_abs_cos_theta_1=means.mean_abs_cos_theta_1,
        mean_phi=means.mean_phi,
        mean_gap=means.mean_gap,
        dimension=runs[0].dimension,
        runs=len(runs),
        runs_accurate=sum(run.is_accurate for run in runs),
        runs_valid=len(valid),
        runs_excluded=len(runs) - len(valid),
        standard_error=stdev(found) / len(found) ** 0.5 if len(found) > 1 else None,
        unfiltered=_means(runs),
    )


def _means(runs: Sequence[LinearRun]) -> Averages:
    if not runs:
        return Averages(mean_abs_cos_theta_1=None, mean_phi=None, mean_gap=None)
    return Averages(
        mean_abs_cos_theta_1=fmean(abs(run.cos_theta_1) for run in runs),
        mean_phi=fmean(run.phi for run in runs),
        mean_gap=fmean(run.gap for run in runs),
    )
