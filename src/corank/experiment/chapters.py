"""What measures found as chapters of a page: plain words, a table, figures, and what was left out with the reason."""

from __future__ import annotations

from corank.experiment.measured_tables import active_table, certainty_table, measured_table
from corank.experiment.words import listed
from corank.measure import (
    ActivationSpectra,
    ActiveLayer,
    ActiveSubspaces,
    FeatureProbes,
    LayerCushions,
    LayerInformation,
    Skip,
    Surveyed,
    WeightSpectra,
)
from corank.measure.base import Measurement
from corank.report import Section, Table, figures_of
from corank.report.format import interval, percent

LOST_HELD_OUT = 0.2  # directions that hold so much less of held-out gradients are not trusted
ACTIVE = (
    "At every hidden layer the gradient of the loss was taken for each sample. Where these gradients point, the loss "
    "can change; a direction that they never take does not matter. The number of active neurons is how many directions "
    "carry nearly all of their energy."
)


def chapters(found: Measurement, layers: Table | None = None) -> tuple[Section, ...]:
    """The chapters of one measurement, or of a survey's measurements one after the other.

    Args:
        found: what was measured.
        layers: the table of the active subspaces, where it has more columns than usual.
    """
    if isinstance(found, Surveyed):
        parts = (found.active, found.activations, found.weights, found.cushions, found.information, found.probes)
        sections = [section for part in parts if part is not None for section in _found(part, layers)]
    else:
        sections = list(_found(found, layers))
    return (*sections, *_left_out(found))


def _found(found: Measurement, layers: Table | None) -> tuple[Section, ...]:
    """What one measure found."""
    if isinstance(found, ActiveSubspaces):
        return _active(found, layers)
    title, text = _told(found)
    return (Section(title, text=text, tables=(measured_table(found),), figures=tuple(figures_of(found).values())),)


def in_words(found: Measurement) -> tuple[str, ...]:
    """The findings of a measurement in plain sentences, for the top of a page."""
    if isinstance(found, Surveyed):
        return tuple(
            sentence for part in (found.active, found.weights) if part is not None for sentence in in_words(part)
        )
    if isinstance(found, ActiveSubspaces):
        return neurons_in_words(found)
    return _told(found)[1][:1]


def neurons_in_words(found: ActiveSubspaces) -> tuple[str, ...]:
    """What the counts of active neurons say, in plain sentences."""
    weak = [layer.layer for layer in found.layers if layer.captured_heldout < layer.captured - LOST_HELD_OUT]
    trusted = [
        layer for layer in found.layers if layer.active_neurons.energy.high is not None and layer.layer not in weak
    ]
    sentences = []
    if trusted:
        least = min(trusted, key=lambda layer: (layer.active_neurons.energy.high or 0) / layer.width)
        sentences.append(
            f"At {least.layer}, {interval(least.active_neurons.energy)} of {least.width:,} directions carry "
            f"{percent(1 - found.epsilon, 0)} of the gradient energy of {found.samples:,} samples{_held_out(least)}."
        )
    open_ended = [layer.layer for layer in found.layers if layer.active_neurons.energy.high is None]
    if open_ended:
        sentences.append(
            f"At {listed(open_ended)} the count is not reached within the sketch; a larger one would tell."
        )
    if weak:
        sentences.append(
            f"At {listed(weak)} the directions hold much less of the gradients of samples they were not made from: "
            "the counts there speak of the measured samples only, and more samples would be needed to say more."
        )
    return tuple(sentences)


def _held_out(layer: ActiveLayer) -> str:
    if not layer.captured_heldout_by_rank:
        return ""
    share = percent(layer.captured_heldout)
    return f"; of samples that took no part, the leading {len(layer.directions)} carry {share}"


def _active(found: ActiveSubspaces, layers: Table | None) -> tuple[Section, ...]:
    """Layer by layer, then the spectra with how sure they are, then the first active variables."""
    figures = figures_of(found)
    counts = tuple(figures[name] for name in ("active-neurons", "captured"))
    sections = [
        Section(
            "Which directions each layer uses", text=(ACTIVE,), tables=(layers or active_table(found),), figures=counts
        ),
        Section(
            "Spectra of the loss gradient",
            text=(
                "The eigenvalues of the gradient covariance. Every true eigenvalue of the measured samples lies within "
                "the band; the bootstrap says how much another draw of samples would change.",
            ),
            tables=(certainty_table(found),),
            figures=(figures["spectra"],),
        ),
    ]
    if "active-variables" in figures:
        text = "Held-out samples along the two directions to which the loss is most sensitive, by class."
        sections.append(Section("First active variables", text=(text,), figures=(figures["active-variables"],)))
    return tuple(sections)


def _told(found: Measurement) -> tuple[str, tuple[str, ...]]:
    """The title of a chapter and what is said in it."""
    if isinstance(found, ActivationSpectra):
        least = min(found.layers, key=lambda row: (row.directions_needed.high or row.width) / row.width)
        return "Spectra of the activations", (
            f"At {least.layer} the activations of {found.samples:,} samples need {interval(least.directions_needed)} "
            f"of {least.width:,} directions for {percent(1 - found.epsilon, 0)} of their "
            f"{'variance' if found.centred else 'energy'}.",
        )
    if isinstance(found, WeightSpectra):
        return "Where the parameters are", _weights_told(found)
    if isinstance(found, LayerCushions):
        least_cushion = min(found.layers, key=lambda row: row.cushion)
        return "Layer cushions", (
            f"The smallest cushion, {least_cushion.cushion:.3g}, is that of {least_cushion.layer}: the larger a "
            "cushion, the more of its gain a layer gives to the data, and the less to noise.",
        )
    if isinstance(found, LayerInformation):
        return "Information plane", (_information_told(found),)
    assert isinstance(found, FeatureProbes)
    best = max(found.layers, key=lambda row: row.all_features)
    return "Linear classifiers on the features", (
        f"A linear classifier on all features of {best.layer} gets {percent(best.all_features)} of the samples right "
        f"that took no part in finding directions, the network {percent(best.network)}, the most frequent class alone "
        f"{percent(best.chance)}. It is fitted on few of them ({found.samples:,}, {found.folds}-fold); the network may "
        "have been trained on all.",
    )


def _weights_told(found: WeightSpectra) -> tuple[str, ...]:
    last = held = 0
    while held * 2 < found.parameters and last < len(found.layers):
        last += 1
        held += found.layers[-last].parameters
    lowest = min(found.layers, key=lambda row: row.effective_rank**2 / min(row.rows, row.columns))
    those = "weight matrix holds" if last == 1 else f"{last} of {len(found.layers)} weight matrices hold"
    return (
        f"The last {those} {percent(held / max(found.parameters, 1), 0)} of the {found.parameters:,} parameters.",
        f"The lowest effective rank for its shape is that of {lowest.layer}: {lowest.effective_rank:.3g} of at most "
        f"{min(lowest.rows, lowest.columns) ** 0.5:.3g}.",
    )


def _information_told(found: LayerInformation) -> str:
    saturated = [row.layer for row in found.layers if row.input.is_saturated]
    if not saturated:
        return f"No layer reaches the limit of {found.layers[0].limit:.2f} nats that {found.samples:,} samples set."
    which = "all layers" if len(saturated) == len(found.layers) else listed(saturated)
    return (
        f"At {which} the information about the input is capped by the number of samples ({found.samples:,}, so "
        f"{found.layers[0].limit:.2f} nats): the true value may be anything above."
    )


def left_out(found: Measurement) -> tuple[tuple[str, str], ...]:
    """What could not be measured, or was left out, each with the reason."""
    skipped: tuple[Skip, ...] = getattr(found, "skipped", ())
    return tuple((f"{skip.layer}: {skip.measure.replace('-', ' ') or 'everything'}", skip.reason) for skip in skipped)


def _left_out(found: Measurement) -> tuple[Section, ...]:
    listed = left_out(found)
    text = ("What could not be measured, or was left out, and why.",)
    return (Section("Left out", text=text, left_out=listed),) if listed else ()
