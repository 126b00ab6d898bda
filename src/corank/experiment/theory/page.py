"""The theory bench as tables and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corank.experiment.run_folder import versions
from corank.experiment.theory.averages import DimensionAverages
from corank.experiment.theory.random_matrices import RandomPoints, SameFactors, TailRow
from corank.report import Column, Page, Section, Table
from corank.report.figures.predicted_compression import PredictedCompression, predicted_compression
from corank.report.format import number


def averages_table(rows: Sequence[DimensionAverages]) -> Table:
    """A row a dimension: means over the valid runs, and over all of them."""
    columns = (
        Column("dimension"),
        Column("runs"),
        Column("accurate", note="runs that put all points on their side"),
        Column("valid", note="accurate runs with |cos θ₂| above 0.9, the paper's filter; others are left out"),
        Column("|cos θ₁|", note="mean over the valid runs: how much of the feature the network looks at", show=number),
        Column("φ", note="mean of the prediction", show=number),
        Column("gap", note="mean of the distance between the two, run by run", show=number),
        Column("|cos θ₁|, all", note="the same over all runs", show=number),
        Column("φ, all", show=number),
        Column("gap, all", show=number),
    )
    lines = tuple(
        (
            row.dimension, row.runs, row.runs_accurate, row.runs_valid, *_means(row), *_means(row.unfiltered),
        )
        for row in rows
    )  # fmt: skip
    return Table(columns, lines, "Linear networks that learnt all points, beside what random matrix theory predicts.")


def theory_page(
    dimensions: Sequence[DimensionAverages],
    points: Sequence[RandomPoints],
    tails: Sequence[TailRow],
    factors: SameFactors,
    options: Mapping[str, Any],
) -> Page:
    """The page of the bench."""
    return Page(
        title="Feature compression: theory and trained networks",
        subtitle="Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Networks",
        summary=tuple(_told(row) for row in dimensions),
        sections=(_trained(dimensions), _untrained(points), _lemmas(tails, factors)),
        provenance={**{name.replace("_", " "): value for name, value in options.items()}, **versions()},
    )


def _told(row: DimensionAverages) -> str:
    if row.mean_abs_cos_theta_1 is None:
        return f"At dimension {row.dimension} none of {row.runs} runs was accurate and aligned: nothing can be said."
    return (
        f"At dimension {row.dimension} trained networks look at {number(row.mean_abs_cos_theta_1)} of the feature on "
        f"average, predicted {number(row.mean_phi)}; run by run the two differ by {number(row.mean_gap)} "
        f"({row.runs_valid} of {row.runs} runs)."
    )


def _trained(rows: Sequence[DimensionAverages]) -> Section:
    shown = [
        PredictedCompression(
            dimension=row.dimension, predicted=row.mean_phi, found=row.mean_abs_cos_theta_1,
            standard_error=row.standard_error,
        )
        for row in rows
        if row.mean_phi is not None and row.mean_abs_cos_theta_1 is not None
    ]  # fmt: skip
    return Section(
        "What trained networks look at",
        text=(
            "The points are A z for all vectors z of signs; the last sign is the class. The best classifier needs to "
            "be pushed by the whole last column of A. A linear network that separates all points looks at the part of "
            "that column which the other columns leave, the fraction φ of it (Theorem 6).",
            "Only networks that separate all points can obey the theorem. Points with a small φ are hard to "
            "separate, so that the runs that count have a larger φ than all runs.",
        ),
        tables=(averages_table(rows),),
        figures=(predicted_compression(shown),) if shown else (),
    )


def _untrained(points: Sequence[RandomPoints]) -> Section:
    columns = (
        Column("dimension"),
        Column("generators", note="Gaussian matrices that the points have gone through"),
        Column("half distance", note="half the smallest distance between two points: what the best classifier bears"),
        Column("smallest", note="the smallest perturbation that changes the class of the last point (Theorem 5)"),
        Column("constructed", note="the perturbation that the proof of Theorem 1 constructs"),
    )
    rows = tuple((row.dimension, row.generators, row.half_distance, row.smallest, row.exchanging) for row in points)
    return Section(
        "As many classes as dimensions",
        text=(
            "Each class has one random point, and a linear network answers 1 for it and 0 for all others. The distance "
            "between points grows with the root of the dimension; what fools the network does not grow (Theorems 1 "
            "and 4).",
        ),
        tables=(Table(columns, rows, "Medians over 200 random sets of points."),),
    )


def _lemmas(tails: Sequence[TailRow], factors: SameFactors) -> Section:
    columns = (Column("dimension"), Column("share"), Column("frequency"), Column("bound"))
    rows = tuple((row.dimension, row.share, row.frequency, row.bound) for row in tails)
    sizes = " × ".join(map(str, factors.sizes))
    verdict = (
        "no sign of a difference"
        if factors.p_value >= 0.01
        else "further apart than chance makes them in one run of a hundred: see whether another seed says so too"
    )
    return Section(
        "The lemmas",
        text=(
            f"Lemma 3, the triangular factor of a product of Gaussian matrices (sizes {sizes}): {factors.entries} "
            f"entries from {factors.draws:,} draws each way, {verdict} (Kolmogorov and Smirnov's test, p = "
            f"{number(factors.p_value)} after correction for the number of entries).",
        ),
        tables=(
            Table(columns, rows, "Lemma 2: how often a sum of d squares falls below a share of d, and the bound."),
        ),
    )


def _means(row: Any) -> tuple[float | None, float | None, float | None]:
    return row.mean_abs_cos_theta_1, row.mean_phi, row.mean_gap
