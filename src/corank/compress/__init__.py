"""From a network to a smaller one, with what it costs."""

from corank.compress.asnet import ASNet
from corank.compress.asnetwork import ASNetwork
from corank.compress.auto import Auto
from corank.compress.base import Compressed, Compressor
from corank.compress.budget import Target
from corank.compress.budgeted import Budgeted
from corank.compress.chaos import PolynomialChaos
from corank.compress.cut_forecasts import RANKS, CutForecast, CutForecasts, LegalCut, forecast_cuts
from corank.compress.forecast import Forecast, forecast
from corank.compress.lemmas import LossBounds
from corank.compress.prune import Prune, Pruned, Width
from corank.compress.race.candidate import Candidate
from corank.compress.reduced.layer import ReducedLayer
from corank.compress.ron import RON
from corank.compress.ronetwork import ReductionRound, RONetwork
from corank.compress.sparsity import Sparsified, WeightLeft

__all__ = [
    "RANKS",
    "RON",
    "ASNet",
    "ASNetwork",
    "Auto",
    "Budgeted",
    "Candidate",
    "Compressed",
    "Compressor",
    "CutForecast",
    "CutForecasts",
    "Forecast",
    "LegalCut",
    "LossBounds",
    "PolynomialChaos",
    "Prune",
    "Pruned",
    "RONetwork",
    "ReducedLayer",
    "ReductionRound",
    "Sparsified",
    "Target",
    "WeightLeft",
    "Width",
    "forecast",
    "forecast_cuts",
]
