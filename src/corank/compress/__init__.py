"""From a network to a smaller one, with what it costs."""

from corank.compress.asnet import ASNet
from corank.compress.asnetwork import ASNetwork
from corank.compress.base import Compressed, Compressor
from corank.compress.chaos import PolynomialChaos
from corank.compress.cut_forecasts import RANKS, CutForecast, CutForecasts, LegalCut, forecast_cuts
from corank.compress.forecast import Forecast, forecast
from corank.compress.lemmas import LossBounds
from corank.compress.sparsity import Sparsified, WeightLeft

__all__ = [
    "RANKS",
    "ASNet",
    "ASNetwork",
    "Compressed",
    "Compressor",
    "CutForecast",
    "CutForecasts",
    "Forecast",
    "LegalCut",
    "LossBounds",
    "PolynomialChaos",
    "Sparsified",
    "WeightLeft",
    "forecast",
    "forecast_cuts",
]
