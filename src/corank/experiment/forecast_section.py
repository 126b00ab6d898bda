"""The forecasts of a study on its page: every place with its best rank, and what came out where it was built."""

from __future__ import annotations

from typing import Any

from corank.compress import CutForecast
from corank.experiment.choice import best_at
from corank.experiment.evaluated import Accuracies, Evaluated, asnetwork
from corank.experiment.study import StudyResult
from corank.report import CameOut, Column, Missing, Section, Table, cut_forecasts
from corank.report.format import percent, ratio

NOT_BUILT = "not built: another place or rank was forecast to be better, or too much was forecast to be lost"


def forecast_section(result: StudyResult) -> Section | None:
    """What was said of every cut before any was built, beside what came out; None where no cut is legal."""
    forecasts = result.forecasts
    if not forecasts.cuts:
        return None
    built = [
        CameOut(forecast=said, accuracy=before_tuning(found).validation)
        for found in result.cuts
        if (said := result.forecast_of(found)) is not None
    ]
    return Section(
        "Which cuts are worth it",
        text=(
            f"Before anything was built, {len(forecasts.cuts)} cuts at {len(forecasts.places)} places were forecast: "
            f"polynomials of the active variables, fitted on {forecasts.samples:,} training samples and judged on "
            f"{forecasts.samples_judging:,} of the validation split, where the network itself is right on "
            f"{percent(forecasts.accuracy)}. What fine-tuning wins back is not in them.",
            f"{'What was built' if result.cuts else 'Nothing was built'}: {result.choice}.",
            *_error_in_words(built),
        ),
        tables=(forecast_table(result),),
        figures=(cut_forecasts(forecasts, built),),
    )


def forecast_table(result: StudyResult) -> Table:
    """A row a legal place: the rank that was built there, or else the smallest that is as good as any."""
    columns = (
        Column("cut after"),
        Column(
            "directions", note="the rank built, or the smallest forecast within half the tolerance of the best there"
        ),
        Column("gradients held", note="share of the gradient energy of held-out samples", show=percent),
        Column("forecast", note="validation accuracy before fine-tuning, said before anything was built", show=percent),
        Column("came out", note="the same of the network that was built", show=percent),
        Column("multiply-adds", note="how many times fewer", show=ratio),
        Column("storage", note="how many times smaller", show=ratio),
    )
    return Table(columns, tuple(_rows(result)), "The forecasts.")


def before_tuning(found: Evaluated) -> Accuracies:
    """The accuracy of a cut network before fine-tuning, or as it is where there was none."""
    return found.untuned or found.tuned


def _rows(result: StudyResult) -> list[tuple[Any, ...]]:
    built = {asnetwork(found).layer: found for found in result.cuts}
    rows = []
    for place in result.forecasts.places:
        found = built.get(place.layer)
        said = result.forecast_of(found) if found else best_at(result.forecasts, place.layer, result.tolerance)
        if said is not None:
            rows.append(_row(result, said, before_tuning(found).validation if found else Missing(NOT_BUILT)))
    return rows


def _row(result: StudyResult, said: CutForecast, came_out: float | Missing) -> tuple[Any, ...]:
    whole = result.forecasts.network
    return (
        said.layer, said.rank, said.captured_heldout, said.accuracy, came_out,
        whole.multiply_adds / said.overall.multiply_adds, whole.storage_bytes / said.overall.storage_bytes,
    )  # fmt: skip


def _error_in_words(built: list[CameOut]) -> tuple[str, ...]:
    if not built:
        return ()
    largest = max(abs(made.accuracy - made.forecast.accuracy) for made in built)
    return (f"What came out lies within {100 * largest:.1f} points of what was forecast.",)
