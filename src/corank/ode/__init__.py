"""Neural ODEs: solvers, and gradients at an accuracy that the user sets.

    from corank.ode import odeint        # instead of: from torchdiffeq import odeint_adjoint as odeint

`odeint` has torchdiffeq's signature; `solve` takes solver and gradient method as objects and returns a result.
"""

from corank.ode.diagnostics import (
    AdjointBound,
    adjoint_bound,
    gradient_error,
    logarithmic_norm,
    reference_gradient,
    round_trip_error,
)
from corank.ode.drop_in import odeint
from corank.ode.field import Field
from corank.ode.gradient import IRDM, RDM, Auto, Backprop, Checkpoint, Gradient, Quadrature
from corank.ode.interpolation import Chebyshev, Hermite, Interpolation, PiecewiseLinear
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
    "IRDM",
    "RDM",
    "RK2",
    "RK3",
    "RK4",
    "AdaptiveSolver",
    "AdjointBound",
    "Auto",
    "Backprop",
    "BogackiShampine3",
    "Chebyshev",
    "Checkpoint",
    "DormandPrince5",
    "Euler",
    "Field",
    "FixedSolver",
    "Gradient",
    "Hermite",
    "Heun",
    "Interpolation",
    "Kutta3",
    "Midpoint",
    "PiecewiseLinear",
    "Quadrature",
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
    "adjoint_bound",
    "gradient_error",
    "logarithmic_norm",
    "odeint",
    "reference_gradient",
    "round_trip_error",
    "solve",
]
