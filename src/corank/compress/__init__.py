"""From a network to a smaller one, with what it costs."""

from corank.compress.asnet import ASNet, ASNetwork
from corank.compress.base import Compressed, Compressor
from corank.compress.chaos import PolynomialChaos
from corank.compress.forecast import Forecast, forecast

__all__ = ["ASNet", "ASNetwork", "Compressed", "Compressor", "Forecast", "PolynomialChaos", "forecast"]
