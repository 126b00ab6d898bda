"""The page of a study: what was found in plain words, then the layers, the cuts and where the numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corank.experiment.attack_chapter import attack_chapter, attacks_in_words
from corank.experiment.chapters import chapters, in_words
from corank.experiment.evaluated import asnetwork
from corank.experiment.forecast_section import forecast_section
from corank.experiment.reduced_section import baseline, reduced_section, reduced_tradeoffs
from corank.experiment.run_folder import versions
from corank.experiment.run_pages import reload_section
from corank.experiment.structure_chapter import structure_chapter
from corank.experiment.study import StudyResult
from corank.experiment.study_fragility import fragility_in_words, fragility_sections
from corank.experiment.tables import cuts_table, layers_table
from corank.experiment.words import sentence
from corank.network import Latency, Layer
from corank.report import Page, Section, Tradeoff, cost_against_accuracy, cost_bars
from corank.report.format import percent
from corank.zoo import Dataset


def study_page(
    result: StudyResult, dataset: Dataset, *, folder: Path, options: Mapping[str, Any], seconds: float
) -> Page:
    """The page of a study.

    Args:
        result: what was found.
        dataset: that it was found on.
        folder: of the study, as the user named it.
        options: of the study, for the provenance.
        seconds: that it took.
    """
    layers, *others = chapters(result.measured, layers_table(result.active, result.places))
    sections = (
        layers, forecast_section(result), _cuts(result), _loading(result, dataset, folder), reduced_section(result),
        *attack_chapter(result.attacks, dataset),
        *fragility_sections(result.fragility, result.network, dataset), *structure_chapter(result.measured), *others,
    )  # fmt: skip
    return Page(
        title=f"What {result.network} uses",
        subtitle=f"A study on {result.data}: which directions each layer needs, where it can be cut, what that costs",
        summary=summary(result),
        facts=_facts(result),
        sections=tuple(section for section in sections if section),
        provenance=_provenance(result, options, seconds),
    )


def summary(result: StudyResult) -> tuple[str, ...]:
    """The findings in plain sentences."""
    return (
        f"{result.network} classifies {percent(result.original.test)} of the test images of {result.data} correctly, "
        f"with {result.cost.parameters:,} parameters and {result.cost.multiply_adds_millions:.3g} million "
        "multiply-adds an image.",
        *in_words(result.measured),
        sentence(result.reason),
        *attacks_in_words(result.attacks),
        *fragility_in_words(result.fragility, result.network),
    )


def _facts(result: StudyResult) -> tuple[tuple[str, Any], ...]:
    facts = [
        ("test accuracy", percent(result.original.test)),
        ("layers measured", len(result.active.layers)),
    ]
    chosen = next((found for found in result.cuts if asnetwork(found).layer == result.recommendation), None)
    if chosen is not None:
        facts += [
            ("smaller", f"{chosen.compressed.storage_ratio:.1f}×"),
            ("faster, one image", f"{chosen.speedup:.1f}×"),
            ("test accuracy after the cut", percent(chosen.tuned.test)),
        ]
    return tuple(facts)


def _cuts(result: StudyResult) -> Section:
    if not result.cuts:
        return Section("Where it can be cut", text=(sentence(result.reason),))
    whole = baseline(result)
    rows = [
        Tradeoff(
            name=f"cut after {asnetwork(found).layer}",
            accuracy=found.tuned.test,
            accuracy_untuned=found.untuned.test if found.untuned else None,
            multiply_adds=found.compressed.overall.multiply_adds,
            storage_bytes=found.compressed.overall.storage_bytes,
            latency_ms=found.latency[0].median_ms,
        )
        for found in result.cuts
    ]
    return Section(
        "Where it can be cut",
        text=(
            "After each cut the rest of the network was replaced by a linear map onto the leading directions and a "
            "polynomial of these few variables, fitted to the network's own outputs and briefly fine-tuned.",
            sentence(result.reason),
            *(f"Cut after {asnetwork(found).layer}: {asnetwork(found).message}." for found in result.cuts),
        ),
        tables=(cuts_table(result.cuts),),
        figures=(cost_against_accuracy(rows, whole, reduced=reduced_tradeoffs(result)), cost_bars(rows, whole)),
    )


def _loading(result: StudyResult, dataset: Dataset, folder: Path) -> Section | None:
    """How the recommended network is loaded."""
    if result.recommendation is None:
        return None
    return reload_section(cut_folder(folder, result.recommendation), dataset.shape, dataset.bounds)


def cut_folder(folder: Path, layer: Layer) -> Path:
    """The run folder of a cut in the folder of a study."""
    return folder / "cuts" / str(layer).replace("/", "_")


def _provenance(result: StudyResult, options: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    study = options["study"]
    made_with = _making(result.cuts[0].latency_original[0], study["epochs"]) if result.cuts else {}
    forecasts = result.forecasts
    return {
        "network": result.network,
        "data": result.data,
        "measured with": f"{result.active.samples:,} samples, {result.active.samples_heldout:,} held out; "
        f"{result.active.loss}",
        "forecasts from": f"{forecasts.samples:,} training samples, judged on {forecasts.samples_judging:,} others",
        "choices made on": f"validation split, accuracy {percent(result.original.validation)} before cutting",
        **made_with,
        "seed": study["seed"],
        "seconds": round(seconds),
        **versions(),
    }


def _making(timed: Latency, epochs: int) -> dict[str, str]:
    threads = "1 thread" if timed.threads == 1 else f"{timed.threads} threads"
    return {
        "fine-tuning": f"{epochs} {'epoch' if epochs == 1 else 'epochs'} of distillation",
        "latency": f"median of {timed.repeats} forward passes, {threads}, {timed.device}",
    }
