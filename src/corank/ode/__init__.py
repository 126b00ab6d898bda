"""Neural ODEs: solvers, and gradients at an accuracy that the user sets.

    from corank.ode import odeint        # instead of: from torchdiffeq import odeint_adjoint as odeint

`odeint` has torchdiffeq's signature; `solve` takes solver and gradient method as objects and returns a result.
"""

from corank.ode.drop_in import odeint
from corank.ode.field import Field
from corank.ode.gradient import Backprop, Gradient
from corank.ode.solution import Solution, SolveError, State, Status
from corank.ode.solvers import (
    RK2,
    RK3,
    RK4,
    AdaptiveSolver,
    BogackiShampine3,
    DormandPrince5,
    Euler,
    FixedSolver,
    Heun,
    Kutta3,
    Midpoint,
    RK4Family,
    Solver,
    StepControl,
    ThreeEighths,
    Tsitouras5,
)
from corank.ode.solving import solve
from corank.ode.statistics import Statistics
from corank.ode.tableau import Tableau

__all__ = [
    "RK2",
    "RK3",
    "RK4",
    "AdaptiveSolver",
    "Backprop",
    "BogackiShampine3",
    "DormandPrince5",
    "Euler",
    "Field",
    "FixedSolver",
    "Gradient",
    "Heun",
    "Kutta3",
    "Midpoint",
    "RK4Family",
    "Solution",
    "SolveError",
    "Solver",
    "State",
    "Statistics",
    "Status",
    "StepControl",
    "Tableau",
    "ThreeEighths",
    "Tsitouras5",
    "odeint",
    "solve",
]
