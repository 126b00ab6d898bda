"""Ways to the gradient of a solution, one file each."""

from corank.ode.gradient.auto import Auto as Auto
from corank.ode.gradient.backprop import Backprop as Backprop
from corank.ode.gradient.base import Gradient as Gradient
from corank.ode.gradient.checkpoint import Checkpoint as Checkpoint
from corank.ode.gradient.irdm import IRDM as IRDM
from corank.ode.gradient.quadrature import Quadrature as Quadrature
from corank.ode.gradient.rdm import RDM as RDM

__all__ = ["IRDM", "RDM", "Auto", "Backprop", "Checkpoint", "Gradient", "Quadrature"]
