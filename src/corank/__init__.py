"""What a trained network's low-dimensional structure is, and what it is good for."""

__version__ = "0.1.0"

from corank.compress import RON, ASNet, Auto, Prune, forecast, forecast_cuts
from corank.errors import InputError
from corank.experiment import Study, load, open_network
from corank.measure import ActiveSubspace, Survey
from corank.network import Adapted, Normalised, capture, cost, cut, latencies
from corank.train import accuracy, fit
from corank.zoo import Batches, load_data

__all__ = [
    "RON", "ASNet", "ActiveSubspace", "Adapted", "Auto", "Batches", "InputError", "Normalised", "Prune", "Study",
    "Survey", "accuracy", "capture", "cost", "cut", "fit", "forecast", "forecast_cuts", "latencies", "load",
    "load_data", "open_network",
]  # fmt: skip
