"""Neural ODEs: solvers, and gradients at an accuracy that the user sets.

    from corank.ode import odeint        # instead of: from torchdiffeq import odeint_adjoint as odeint

`odeint` has torchdiffeq's signature; `solve` takes solver and gradient method as objects and returns a result.
"""

from corank.ode.block import ODEBlock, SolverEnsemble, blocks_of, resampled, solved_with
from corank.ode.concatsquash import ConcatSquash, ConcatSquashField
from corank.ode.diagnostics import (
    AdjointBound,
    adjoint_bound,
    gradient_error,
    logarithmic_norm,
    reference_gradient,
    round_trip_error,
)
from corank.ode.divergence import Divergence, Exact, Hutchinson
from corank.ode.drop_in import odeint
from corank.ode.field import Field
from corank.ode.flow import Flow, NegativeLogDensity
from corank.ode.flow_options import FlowOptions
from corank.ode.gradient import IRDM, RDM, Auto, Backprop, Checkpoint, Gradient, Quadrature
from corank.ode.interpolation import Chebyshev, Hermite, Interpolation, PiecewiseLinear
from corank.ode.meta import Ensembling, Regime, Smoothing, Standalone, Switching
from corank.ode.reduced_block import ReducedBlock, Reduction, reduce_block
from corank.ode.smoothness import Smoothness, smoothness
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
from corank.ode.vae import FlowVAE

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
    "ConcatSquash",
    "ConcatSquashField",
    "Divergence",
    "DormandPrince5",
    "Ensembling",
    "Euler",
    "Exact",
    "Field",
    "FixedSolver",
    "Flow",
    "FlowOptions",
    "FlowVAE",
    "Gradient",
    "Hermite",
    "Heun",
    "Hutchinson",
    "Interpolation",
    "Kutta3",
    "Midpoint",
    "NegativeLogDensity",
    "ODEBlock",
    "PiecewiseLinear",
    "Quadrature",
    "RK4Family",
    "ReducedBlock",
    "Reduction",
    "Regime",
    "Smoothing",
    "Smoothness",
    "Solution",
    "SolveError",
    "Solver",
    "SolverEnsemble",
    "Standalone",
    "State",
    "Statistics",
    "Status",
    "StepControl",
    "Switching",
    "Tableau",
    "ThreeEighths",
    "Tsitouras5",
    "adjoint_bound",
    "blocks_of",
    "gradient_error",
    "logarithmic_norm",
    "odeint",
    "reduce_block",
    "reference_gradient",
    "resampled",
    "round_trip_error",
    "smoothness",
    "solve",
    "solved_with",
]
