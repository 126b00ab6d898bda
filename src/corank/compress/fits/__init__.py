"""How the coefficients of a polynomial chaos are found, one way a file."""

from typing import Literal

from corank.compress.fits.base import Coefficients, Design, Fit
from corank.compress.fits.d_optimal import DOptimal
from corank.compress.fits.least_squares import ADVISABLE, LeastSquares
from corank.compress.fits.ridge import Ridge
from corank.compress.fits.sparse import Sparse

FitName = Literal["least-squares", "ridge", "sparse", "d-optimal"]
"""The fits by the names of their files."""

__all__ = ["ADVISABLE", "Coefficients", "DOptimal", "Design", "Fit", "FitName", "LeastSquares", "Ridge", "Sparse"]
