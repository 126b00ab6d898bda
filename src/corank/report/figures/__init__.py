"""Figures: one idea a file, found by the type of the result."""

from corank.report.figures.accuracy_by_radius import accuracy_by_radius
from corank.report.figures.activation_spectra import activation_spectra
from corank.report.figures.active_neurons import active_neurons
from corank.report.figures.active_variables import active_variables
from corank.report.figures.audit_margins import audit_margins
from corank.report.figures.by_type import figures_of
from corank.report.figures.candidates import candidates
from corank.report.figures.captured import captured
from corank.report.figures.classes_into import classes_into
from corank.report.figures.cosine_histogram import cosine_histogram
from corank.report.figures.cosines_along_path import cosines_along_path
from corank.report.figures.cost_against_accuracy import cost_against_accuracy
from corank.report.figures.cost_bars import cost_bars
from corank.report.figures.cushions import cushions
from corank.report.figures.cut_forecasts import CameOut, cut_forecasts
from corank.report.figures.figure import Figure
from corank.report.figures.fooling_curve import fooling_curve
from corank.report.figures.fragile_inputs import FragilePicture, fragile_inputs
from corank.report.figures.information_plane import information_plane
from corank.report.figures.parameters import parameters
from corank.report.figures.pictures import is_picture
from corank.report.figures.predicted_against_found import Guess, predicted_against_found
from corank.report.figures.principal_components import principal_components
from corank.report.figures.probes import probes
from corank.report.figures.reduced_errors import reduced_errors
from corank.report.figures.reduced_spectra import reduced_spectra
from corank.report.figures.solver_accuracies import solver_accuracies
from corank.report.figures.spectra import spectra
from corank.report.figures.tradeoff import Tradeoff
from corank.report.figures.training_curve import training_curve
from corank.report.figures.transfer_heat import transfer_heat
from corank.report.figures.triptychs import Triptych, triptychs
from corank.report.figures.variance_ratios import variance_ratios
from corank.report.figures.weight_ranks import weight_ranks

__all__ = [
    "CameOut", "Figure", "FragilePicture", "Guess", "Tradeoff", "Triptych", "accuracy_by_radius",
    "activation_spectra", "active_neurons", "active_variables", "audit_margins", "candidates", "captured",
    "classes_into", "cosine_histogram", "cosines_along_path", "cost_against_accuracy", "cost_bars", "cushions",
    "cut_forecasts", "figures_of", "fooling_curve", "fragile_inputs", "information_plane", "is_picture",
    "parameters", "predicted_against_found", "principal_components", "probes", "reduced_errors", "reduced_spectra",
    "solver_accuracies", "spectra", "training_curve", "transfer_heat", "triptychs", "variance_ratios",
    "weight_ranks",
]  # fmt: skip
