"""What measures found as tables, the same on the page and in the terminal: a row a layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from corank.errors import InputError
from corank.measure import (
    ActivationSpectra,
    ActiveLayer,
    ActiveSubspaces,
    FeatureProbes,
    LayerCushions,
    LayerInformation,
    Surveyed,
    WeightSpectra,
)
from corank.report import Column, Missing, Table
from corank.report.format import percent
from corank.result import Result

NO_HELD_OUT = "no gradient energy in the held-out samples"
NO_RESPONSE = "too few held-out samples to fit one"
LAYER = Column("layer")
CONVOLUTION = Column("convolution", note="the layer's number where it ends a convolution")
WIDTH = Column("width", note="features of one row")


@singledispatch
def measured_table(found: Result) -> Table:
    """The table of a measurement.

    Raises:
        InputError: results of this type have none.
    """
    raise InputError(f"there is no table for {type(found).__name__}")


@measured_table.register
def _(found: ActiveSubspaces) -> Table:
    return active_table(found)


def active_table(found: ActiveSubspaces, extra: Sequence[tuple[Column, Sequence[Any]]] = ()) -> Table:
    """A row a layer: width, active neurons, captured energy, and further columns with a value for each layer."""
    sketched = max((layer.sketch_size for layer in found.layers), default=0)
    share = percent(1 - found.epsilon, 0)
    columns = [
        LAYER,
        CONVOLUTION,
        WIDTH,
        Column(
            "active neurons",
            note=f"directions that carry {share} of the measured samples' gradient energy, certified",
        ),
        Column("by norm", note=f"directions that carry {share} of the norm of the leading {sketched} together"),
        Column("captured", note=f"share of the energy in the first {found.rank} directions", show=percent),
        Column("held out", note="the same for samples that took no part in finding them", show=percent),
        *(column for column, _ in extra),
    ]
    rows = [(*_active_row(layer), *(values[place] for _, values in extra)) for place, layer in enumerate(found.layers)]
    caption = f"Hidden layers, measured on {found.samples:,} samples and {found.samples_heldout:,} held-out ones."
    return Table(tuple(columns), tuple(rows), caption)


def _active_row(layer: ActiveLayer) -> Sequence[Any]:
    heldout = layer.captured_heldout if layer.captured_heldout_by_rank else Missing(NO_HELD_OUT)
    neurons = layer.active_neurons
    return layer.layer, layer.index, layer.width, neurons.energy, neurons.norm, layer.captured, heldout


def certainty_table(found: ActiveSubspaces) -> Table:
    """How far the active subspaces of a measurement can be trusted: bootstrap, Lemma 2.2, response surface."""
    columns = (
        LAYER,
        Column("first eigenvalue", note="of the gradient covariance"),
        Column("95 % from", note="bootstrap interval of the first eigenvalue"),
        Column("to"),
        Column("error of 1", note="mean distance of the first direction to that of a bootstrap replicate, 0 to 1"),
        Column("of 50", note="the same for the first fifty directions together, or for all"),
        Column("sum of eigenvalues", note="of the directions kept"),
        Column("held-out along", note="mean squared held-out gradient along them: equal, if samples were enough"),
        Column("variables", note="active variables that a polynomial of the loss was fitted in"),
        Column("explained", note="share of the loss's variance that it explains, cross-validated", show=percent),
        Column("error", note="its root mean squared error in nats, cross-validated"),
    )
    rows = []
    for layer in found.layers:
        low, high = (layer.eigenvalues_low or (None,))[0], (layer.eigenvalues_high or (None,))[0]
        errors = layer.subspace_error or (None,)
        response = layer.response
        fit = (response.variables, response.explained, response.error) if response else (Missing(NO_RESPONSE),) * 3
        rows.append(
            (layer.layer, layer.eigenvalues[0], low, high, errors[0], errors[-1], sum(layer.eigenvalues),
             layer.mean_squared_along, *fit)
        )  # fmt: skip
    return Table(columns, tuple(rows), "How sure the active subspaces are.")


@measured_table.register
def _(found: ActivationSpectra) -> Table:
    share = percent(1 - found.epsilon, 0)
    what = "variance" if found.centred else "energy"
    columns = (
        LAYER,
        CONVOLUTION,
        WIDTH,
        Column("directions needed", note=f"they carry {share} of the activations' {what}, certified"),
        Column("first direction", note=f"its share of the {what}", show=percent),
        Column("by class, least", note="the same within one class, the smallest share of all classes", show=percent),
        Column("by class, most", note="the largest", show=percent),
    )
    rows = []
    for layer in found.layers:
        by_class = [ratio for ratio in layer.class_variance_ratios if ratio is not None]
        ends = (min(by_class), max(by_class)) if by_class else (None, None)
        rows.append((layer.layer, layer.index, layer.width, layer.directions_needed, layer.variance_ratios[0], *ends))
    return Table(columns, tuple(rows), f"Activations of {found.samples:,} samples, {found.layout}.")


@measured_table.register
def _(found: WeightSpectra) -> Table:
    columns = (
        LAYER,
        Column("kind"),
        Column("rows"),
        Column("columns"),
        Column("parameters"),
        Column("share", note="of the network's parameters", show=percent),
        Column("effective rank", note="nuclear over Frobenius norm, at most the square root of the rank"),
        Column("stable rank", note="squared Frobenius over squared spectral norm"),
        Column("effective sparsity", note="sum of absolute values over Frobenius norm"),
        Column("spectral norm"),
    )
    rows = tuple(
        (row.layer, row.kind, row.rows, row.columns, row.parameters, row.parameters / max(found.parameters, 1),
         row.effective_rank, row.stable_rank, row.effective_sparsity, row.spectral_norm)
        for row in found.layers
    )  # fmt: skip
    return Table(columns, rows, "Weight matrices.")


@measured_table.register
def _(found: LayerCushions) -> Table:
    columns = (
        LAYER,
        Column("kind"),
        Column("cushion", note="least ratio |W phi| / (|W| |phi|), with the norm of the whole linear map"),
        Column("with kernel norm", note="the same with the norm of the kernel alone"),
        Column("median", note="of the ratios, with the norm of the whole map"),
    )
    rows = tuple((row.layer, row.kind, row.cushion, row.cushion_kernel, row.median) for row in found.layers)
    return Table(columns, rows, f"Layer cushions of {found.samples:,} samples.")


@measured_table.register
def _(found: LayerInformation) -> Table:
    columns = (
        LAYER,
        Column("about the input, from", note="lower bound in nats"),
        Column("to", note="upper bound in nats"),
        Column("about the label, from", note="lower bound in nats"),
        Column("to ", note="upper bound in nats"),
        Column("saturated", note="the number of samples caps the bounds on the input"),
    )
    rows = tuple(
        (row.layer, row.input.low, row.input.high, row.label.low, row.label.high,
         "yes" if row.input.is_saturated else "no")
        for row in found.layers
    )  # fmt: skip
    caption = f"Mutual information of {found.samples:,} samples, noise of variance {found.noise_variance:g}."
    return Table(columns, rows, caption)


@measured_table.register
def _(found: FeatureProbes) -> Table:
    columns = (
        LAYER,
        CONVOLUTION,
        Column("all features", note="accuracy of logistic regression on all features", show=percent),
        Column("active", note="on the leading directions of the loss gradient", show=percent),
        Column("principal", note="on the leading directions of the activations", show=percent),
        Column("directions", note="how many at most"),
    )
    rows = tuple((row.layer, row.index, row.all_features, row.active, row.principal, row.rank) for row in found.layers)
    return Table(columns, rows, f"Linear classifiers, {found.folds}-fold cross-validated on {found.samples:,} samples.")


@measured_table.register
def _(found: Surveyed) -> Table:
    """The table of the terminal: a row a layer with a number of every measure."""
    if found.active is None:
        assert found.activations is not None
        return measured_table(found.activations)
    needed = {row.layer: row.directions_needed for row in found.activations.layers} if found.activations else {}
    probed = {row.layer: row.all_features for row in found.probes.layers} if found.probes else {}
    layers = [row.layer for row in found.active.layers]
    extra: list[tuple[Column, dict[str, Any]]] = [
        (Column("principal", note="directions that carry as much of the activations' energy"), needed),
        (Column("linear", note="accuracy of a linear classifier on all features", show=percent), probed),
    ]
    return active_table(found.active, [(column, [values.get(name) for name in layers]) for column, values in extra])
