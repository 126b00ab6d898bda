"""The theory of feature compression as experiments: random data of known answers, and networks that learn them."""

from corank.experiment.theory.data import SignData, SignPoints
from corank.experiment.theory.linear import LinearRun, linear_run
from corank.experiment.theory.options import TheoryTraining

__all__ = ["LinearRun", "SignData", "SignPoints", "TheoryTraining", "linear_run"]
