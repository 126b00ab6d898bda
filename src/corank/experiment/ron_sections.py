"""What the page of a reduced-order network tells of it alone: its layers, their spectra, errors and bounds, its rounds.

Daulbaev, "Applications of Differential Equations and Reduced-Order Modeling for Deep Learning", chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from corank.compress import ReducedLayer, RONetwork
from corank.experiment.particulars import Part, Particulars
from corank.experiment.ron_tables import errors_table, ranks_table, rounds_table, sizes_table
from corank.experiment.words import listed, sentence
from corank.report import Section, figures_of
from corank.report.format import number, percent

ROUNDING = 1e-4  # of a bound: errors are sums over single-precision values


def ron_particulars(small: RONetwork) -> Particulars:
    """The two parts of a reduced-order network, what was replaced, and what is known of every layer."""
    if small.layer is None:
        return Particulars(sections=ron_sections(small))
    return Particulars(
        parts=(
            Part(name="kept part", cost=small.pre),
            Part(name="reduced layers", cost=small.head, stands_for=small.replaced),
        ),
        replaced=(Part(name="replaced end", cost=small.replaced),),
        sections=ron_sections(small),
    )


def ron_sections(small: RONetwork) -> tuple[Section, ...]:
    """The layers with their spectra, what each loses, the rounds where there were several, the training."""
    figures = figures_of(small)
    sections = [
        Section(
            "The reduced layers", text=_layers_in_words(small), tables=(sizes_table(small), ranks_table(small)),
            figures=(figures["reduced-spectra"],),
        )
    ]  # fmt: skip
    errors = figures.get("reduced-errors")
    if errors is None:
        unknown = "No sample was held out, so that errors are not known: give more samples."
        sections.append(Section("How much each layer loses", text=(unknown,)))
    else:
        text, tables = _errors_in_words(small), (errors_table(small),)
        sections.append(Section("How much each layer loses", text=text, tables=tables, figures=(errors,)))
    if len(small.rounds) > 1:
        sections.append(Section("Round by round", text=(_rounds_in_words(small),), tables=(rounds_table(small),)))
    if "fine-tuning" in figures:
        sections.append(Section("The training", figures=(figures["fine-tuning"],)))
    return tuple(sections)


def _layers_in_words(small: RONetwork) -> tuple[str, ...]:
    """What a reduced layer is, from what it was made, how often the network agrees, and which ranks are doubtful."""
    before = "original" if len(small.rounds) == 1 else "network before it"
    agreement = (
        f"Before any training the reduced network put {percent(small.agreement)} of {small.samples_heldout:,} held-out "
        f"samples into the class that the {before} does. "
        if math.isfinite(small.agreement)
        else ""
    )
    return (
        "The outputs of a layer lie near a few directions. As many of its features, and somewhat more, determine where "
        f"in these directions an output is: only they are kept and computed, {_widths(small.layers)}.",
        agreement + sentence(small.message),
        *_doubts(small.layers),
    )


def _doubts(layers: Sequence[ReducedLayer]) -> tuple[str, ...]:
    """Which ranks of other rules rest on a floor of noise that is not there."""
    floorless = [layer.layer for layer in layers if not layer.has_noise_floor]
    if not floorless:
        return ()
    those = "none of these does" if len(floorless) == len(layers) else f"that of {listed(floorless)} does not"
    return (
        "The ranks of variational Bayes and of Gavish and Donoho stand in the table for comparison: they take a "
        f"spectrum to end in a floor of noise, and {those}.",
    )


def _widths(layers: Sequence[ReducedLayer]) -> str:
    each = [f"{layer.rows:,} of {layer.features:,} at {layer.layer}" for layer in layers]
    if len(each) <= 4:
        return listed(each)
    shares = sorted(layer.rows / layer.features for layer in layers)
    kept, all_ = sum(layer.rows for layer in layers), sum(layer.features for layer in layers)
    return (
        f"{kept:,} of {all_:,} in {len(layers)} layers, from {percent(shares[0])} to {percent(shares[-1])} of a layer"
    )


def _errors_in_words(small: RONetwork) -> tuple[str, ...]:
    """Where most is lost, and whether the bounds hold."""
    worst = max(small.layers, key=lambda layer: layer.propagated_error)
    return (
        f"Most is lost at {worst.layer}: what the reduced network has there is off by "
        f"{percent(worst.propagated_error)} of the values' length on {small.samples_heldout:,} held-out samples, "
        "before any training. The features that were kept, if they were exact, would give all of them up to "
        f"{percent(worst.interpolation_error)}; no network that has these {worst.rank:,} directions alone can be "
        f"closer than {percent(worst.projection_error)}.",
        _bounds_in_words(small.layers),
    )


def _bounds_in_words(layers: Sequence[ReducedLayer]) -> str:
    broken = [layer for layer in layers if layer.interpolation_error > layer.bound * (1 + ROUNDING)]
    if broken:
        values = [(layer.layer, percent(layer.interpolation_error), percent(layer.bound)) for layer in broken]
        named = [f"{name} ({error}, at most {bound})" for name, error, bound in values]
        return f"The bound does not hold at {listed(named)}."
    constants = sorted(layer.constant for layer in layers)
    known = number(constants[-1]) if len(layers) == 1 else f"{number(constants[0])} to {number(constants[-1])}"
    looser = max(layer.constant_a_priori / layer.constant for layer in layers)
    return (
        f"The bound, the least possible error times the constant of the kept features ({known}), holds at every layer. "
        f"Known before any feature is chosen is only the a-priori bound, up to {number(looser)} times as large."
    )


def _rounds_in_words(small: RONetwork) -> str:
    return (
        f"The network was reduced {len(small.rounds)} times, each time the one of the round before. What is told of "
        "the layers is of the last round, whose errors and agreement are against the network before it."
    )
