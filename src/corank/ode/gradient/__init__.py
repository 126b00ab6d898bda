"""Ways to the gradient of a solution, one file each."""

from corank.ode.gradient.backprop import Backprop as Backprop
from corank.ode.gradient.base import Gradient as Gradient

__all__ = ["Backprop", "Gradient"]
