"""From a network and data to numbers."""

from corank.measure.activation_spectrum import ActivationLayer, ActivationSpectra, ActivationSpectrum
from corank.measure.active_subspace import ActiveLayer, ActiveNeurons, ActiveSubspace, ActiveSubspaces
from corank.measure.base import Batches, Measure, Measurement, OnDevice, first_batch, first_that_fits, taking
from corank.measure.boundary_forecast import BoundaryForecast, boundary_forecast
from corank.measure.feature_compression import (
    ClassCompression,
    CompressedPair,
    FeatureCompression,
    feature_compression,
)
from corank.measure.feature_probe import FeatureProbe, FeatureProbes, ProbeLayer
from corank.measure.heldout import HeldOut
from corank.measure.layer_cushion import CushionLayer, LayerCushion, LayerCushions
from corank.measure.layer_measure import LayerMeasure, PassOptions
from corank.measure.mutual_information import Bounds, InformationLayer, LayerInformation, MutualInformation
from corank.measure.observing import Skip
from corank.measure.pairs import Pairs, nearest_pairs
from corank.measure.response import Response
from corank.measure.survey import Survey, Surveyed
from corank.measure.weight_spectrum import WeightLayer, WeightSpectra, WeightSpectrum

__all__ = [
    "ActivationLayer", "ActivationSpectra", "ActivationSpectrum", "ActiveLayer", "ActiveNeurons", "ActiveSubspace",
    "ActiveSubspaces", "Batches", "BoundaryForecast", "Bounds", "ClassCompression", "CompressedPair", "CushionLayer",
    "FeatureCompression", "FeatureProbe", "FeatureProbes", "HeldOut", "InformationLayer", "LayerCushion",
    "LayerCushions", "LayerInformation", "LayerMeasure", "Measure", "Measurement", "MutualInformation", "OnDevice",
    "Pairs", "PassOptions", "ProbeLayer", "Response", "Skip", "Survey", "Surveyed", "WeightLayer", "WeightSpectra",
    "WeightSpectrum", "boundary_forecast", "feature_compression", "first_batch", "first_that_fits", "nearest_pairs",
    "taking",
]  # fmt: skip
