"""The reduced-order networks of a study on its page: what each costs and how often it is right, and the best one."""

from __future__ import annotations

from corank.experiment.evaluated import Evaluated, asnetwork
from corank.experiment.reduced_cuts import ENERGY, ReducedCut, ReducedCuts
from corank.experiment.study import StudyResult
from corank.experiment.words import points, sizes
from corank.report import Column, Figure, Section, Table, Tradeoff, cost_against_accuracy
from corank.report.figures import reduced_errors, reduced_spectra
from corank.report.format import percent, ratio


def reduced_section(result: StudyResult) -> Section | None:
    """What came of reducing the network after every place; None where nothing was tried."""
    reduced = result.reduced
    if not (reduced.cuts or reduced.left_out):
        return None
    figures = _figures(reduced)
    if reduced.cuts and not result.cuts:  # otherwise they stand beside the cuts
        figures = (cost_against_accuracy((), baseline(result), reduced=reduced_tradeoffs(result)), *figures)
    return Section(
        "Where it can be reduced",
        text=_in_words(result),
        tables=(_table(result),) if reduced.cuts else (),
        figures=figures,
        left_out=tuple((f"after {row.layer}", row.reason) for row in reduced.left_out),
    )


def reduced_tradeoffs(result: StudyResult) -> tuple[Tradeoff, ...]:
    """The reduced-order networks as points of the figure of cost and accuracy."""
    return tuple(
        Tradeoff(
            name=f"RON after {found.layer}", accuracy=found.accuracy.test,
            multiply_adds=found.overall.multiply_adds, storage_bytes=found.overall.storage_bytes,
        )
        for found in result.reduced.cuts
    )  # fmt: skip


def baseline(result: StudyResult) -> Tradeoff:
    """The network that was studied, for the figures."""
    return Tradeoff(
        name=result.network, accuracy=result.original.test, multiply_adds=result.cost.multiply_adds,
        storage_bytes=result.cost.storage_bytes,
        latency_ms=result.cuts[0].latency_original[0].median_ms if result.cuts else None,
    )  # fmt: skip


def _table(result: StudyResult) -> Table:
    columns = (
        Column("reduced after"),
        Column("directions", note="kept of each of the layers that stand for everything after it"),
        Column("accuracy", note="on the test images, without any training", show=percent),
        Column("agreement", note="share of held-out samples in the original's class", show=percent),
        Column("storage", note="how many times smaller", show=ratio),
        Column("multiply-adds", note="how many times fewer", show=ratio),
    )
    whole = result.cost
    rows = tuple(
        (
            found.layer, sizes(found.ranks), found.accuracy.test, found.agreement,
            whole.storage_bytes / found.overall.storage_bytes, whole.multiply_adds / found.overall.multiply_adds,
        )
        for found in result.reduced.cuts
    )  # fmt: skip
    return Table(columns, rows, "The reduced-order networks.")


def _figures(reduced: ReducedCuts) -> tuple[Figure, ...]:
    """The spectra of all layers that were reduced from anywhere, and the errors of those of the best network."""
    spectra = None if reduced.longest is None else reduced_spectra(reduced.longest)
    errors = None if reduced.best is None else reduced_errors(reduced.best)
    return tuple(figure for figure in (spectra, errors) if figure is not None)


def _in_words(result: StudyResult) -> tuple[str, ...]:
    """What was made, which is the best, and whether it is better than the recommended cut."""
    made = (
        "A reduced-order network replaces everything after a place by dense layers between few features, and needs no "
        f"training: its directions hold {percent(ENERGY, 0)} of the energy of every layer's outputs."
    )
    best = next((found for found in result.reduced.cuts if result.reduced.best and _is_best(result, found)), None)
    if best is None:
        return (made, "After no place is it smaller than what it replaces.")
    lost = result.original.validation - best.accuracy.validation
    fewer = ratio(result.cost.multiply_adds / best.overall.multiply_adds)
    good = (
        f"The cheapest within {points(result.tolerance)} of validation accuracy is"
        if lost <= result.tolerance
        else f"None stays within {points(result.tolerance)} of validation accuracy. The most accurate is"
    )
    said = (
        f"{good} that after {best.layer}, with {fewer} fewer multiply-adds and a validation accuracy of "
        f"{percent(best.accuracy.validation)} (original {percent(result.original.validation)}); its errors are drawn "
        "below, with the spectra of all layers that were reduced from anywhere."
    )
    return (made, said, *_rivalry(result, best))


def _is_best(result: StudyResult, found: ReducedCut) -> bool:
    return result.reduced.best is not None and result.reduced.best.layer == found.layer


def _rivalry(result: StudyResult, best: ReducedCut) -> tuple[str, ...]:
    """Whether the best reduced-order network beats the recommended cut, on the validation split."""
    chosen = next((found for found in result.cuts if asnetwork(found).layer == result.recommendation), None)
    if chosen is None or not _beats(best, chosen):
        return ()
    return (
        f"It has fewer multiply-adds than the recommended cut and is no less accurate there: `corank compress ron "
        f"--layer {best.layer} --energy {ENERGY:g}` makes it, with fine-tuning.",
    )


def _beats(best: ReducedCut, chosen: Evaluated) -> bool:
    is_cheaper = best.overall.multiply_adds < chosen.compressed.overall.multiply_adds
    return is_cheaper and best.accuracy.validation >= chosen.tuned.validation
