"""Which figures belong to which result: found by its type, so that results never draw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from corank.attack.audit import Audited
from corank.attack.evaluation import Evaluation
from corank.attack.transfer import TransferMatrix
from corank.attack.universal import Universal
from corank.compress import ASNetwork, CutForecasts, RONetwork
from corank.compress.budgeted import Budgeted
from corank.defend import Watched
from corank.errors import InputError
from corank.measure import (
    ActivationSpectra,
    ActiveSubspaces,
    FeatureProbes,
    LayerCushions,
    LayerInformation,
    WeightSpectra,
)
from corank.ode.smoothness import Smoothness
from corank.report.figures.accuracy_by_radius import accuracy_by_radius
from corank.report.figures.activation_spectra import activation_spectra
from corank.report.figures.active_neurons import active_neurons
from corank.report.figures.active_variables import active_variables
from corank.report.figures.audit_margins import audit_margins
from corank.report.figures.by_epoch import by_epoch
from corank.report.figures.candidates import candidates
from corank.report.figures.captured import captured
from corank.report.figures.classes_into import classes_into
from corank.report.figures.cushions import cushions
from corank.report.figures.cut_forecasts import cut_forecasts
from corank.report.figures.figure import Figure
from corank.report.figures.fooling_curve import fooling_curve
from corank.report.figures.information_plane import information_plane
from corank.report.figures.parameters import parameters
from corank.report.figures.principal_components import principal_components
from corank.report.figures.probes import probes
from corank.report.figures.reduced_errors import reduced_errors
from corank.report.figures.reduced_spectra import reduced_spectra
from corank.report.figures.solver_accuracies import solver_accuracies
from corank.report.figures.spectra import spectra
from corank.report.figures.training_curve import training_curve
from corank.report.figures.transfer_heat import transfer_heat
from corank.report.figures.variance_ratios import variance_ratios
from corank.report.figures.weight_ranks import weight_ranks
from corank.result import Result
from corank.train import History


@singledispatch
def figures_of(result: Result) -> dict[str, Figure]:
    """The figures of a result by name, in the order in which they are best read.

    What a result does not hold has no figure: without held-out samples there is no scatter of them.

    Raises:
        InputError: results of this type have no figures, or this one is empty.

    Example:
        >>> from corank.measure import WeightLayer, WeightSpectra
        >>> layer = WeightLayer(
        ...     layer="fc", kind="linear", index=None, rows=2, columns=3, parameters=8, effective_rank=1.4,
        ...     effective_sparsity=2.0, stable_rank=1.9, spectral_norm=1.0, singular_values=(1.0, 0.9),
        ... )
        >>> list(figures_of(WeightSpectra(layers=(layer,), parameters=8)))
        ['parameters', 'weight-ranks']
        >>> figures_of(3)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        corank.errors.InputError: figures exist for ActiveSubspaces, ..., got int
    """
    known = ", ".join(kind.__name__ for kind in figures_of.registry if kind is not object)
    raise InputError(f"figures exist for {known}, got {type(result).__name__}")


@figures_of.register
def _(result: ActiveSubspaces) -> dict[str, Figure]:
    _check(result.layers)
    return _by_name(active_neurons(result), spectra(result), captured(result), active_variables(result))


@figures_of.register
def _(result: ActivationSpectra) -> dict[str, Figure]:
    _check(result.layers)
    return _by_name(activation_spectra(result), variance_ratios(result), principal_components(result))


@figures_of.register
def _(result: WeightSpectra) -> dict[str, Figure]:
    _check(result.layers)
    return _by_name(parameters(result), weight_ranks(result))


@figures_of.register
def _(result: LayerCushions) -> dict[str, Figure]:
    _check(result.layers)
    return _by_name(cushions(result))


@figures_of.register
def _(result: LayerInformation) -> dict[str, Figure]:
    _check(result.layers)
    return _by_name(information_plane(result))


@figures_of.register
def _(result: FeatureProbes) -> dict[str, Figure]:
    _check(result.layers)
    return _by_name(probes(result))


@figures_of.register
def _(result: History) -> dict[str, Figure]:
    if not result.rows:
        raise InputError("a figure needs at least one finished epoch, got 0: train for longer")
    return _by_name(training_curve(result))


@figures_of.register
def _(result: Watched) -> dict[str, Figure]:
    if not result.rows:
        raise InputError("a figure needs a network that was watched, got no epoch")
    return _by_name(*by_epoch(result))


@figures_of.register
def _(result: ASNetwork) -> dict[str, Figure]:
    tuning = None if result.training is None else training_curve(result.training, "fine-tuning", "fine-tuning")
    sparse = None if result.sparse is None else result.sparse.training
    thinning = None if sparse is None else training_curve(sparse, "sparse-training", "sparse training")
    return _by_name(tuning, thinning)


@figures_of.register
def _(result: CutForecasts) -> dict[str, Figure]:
    return _by_name(cut_forecasts(result))


@figures_of.register
def _(result: RONetwork) -> dict[str, Figure]:
    _check(result.layers)
    training = None if result.training is None else training_curve(result.training, "fine-tuning", "fine-tuning")
    return _by_name(reduced_spectra(result), reduced_errors(result), training)


@figures_of.register
def _(result: Budgeted) -> dict[str, Figure]:
    if not result.candidates:
        raise InputError("a figure needs at least one candidate, got 0")
    training = None if result.training is None else training_curve(result.training, "fine-tuning", "fine-tuning")
    return _by_name(candidates(result), training)


@figures_of.register
def _(result: Universal) -> dict[str, Figure]:
    return _by_name(classes_into(result), fooling_curve(result))


@figures_of.register
def _(result: Evaluation) -> dict[str, Figure]:
    return _by_name(accuracy_by_radius(result))


@figures_of.register
def _(result: Audited) -> dict[str, Figure]:
    return _by_name(audit_margins(result))


@figures_of.register
def _(result: TransferMatrix) -> dict[str, Figure]:
    return _by_name(transfer_heat(result))


@figures_of.register
def _(result: Smoothness) -> dict[str, Figure]:
    return _by_name(solver_accuracies(result))


def _check(layers: Sequence[Result]) -> None:
    if not layers:
        raise InputError("figures need at least one measured layer, got 0: see what was skipped, and why")


def _by_name(*figures: Figure | None) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures if figure is not None}
