"""The trajectory between stored states; one file each."""

from corank.ode.interpolation.base import Interpolant as Interpolant
from corank.ode.interpolation.base import Interpolation as Interpolation
from corank.ode.interpolation.chebyshev import Chebyshev as Chebyshev
from corank.ode.interpolation.hermite import Hermite as Hermite
from corank.ode.interpolation.piecewise_linear import PiecewiseLinear as PiecewiseLinear

__all__ = ["Chebyshev", "Hermite", "Interpolant", "Interpolation", "PiecewiseLinear"]
