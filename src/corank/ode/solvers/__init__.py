"""Explicit Runge-Kutta solvers: a scheme and how its steps are chosen; one file each."""

from corank.ode.solvers.base import AdaptiveSolver as AdaptiveSolver
from corank.ode.solvers.base import FixedSolver as FixedSolver
from corank.ode.solvers.base import Solver as Solver
from corank.ode.solvers.base import StepControl as StepControl
from corank.ode.solvers.bogacki_shampine3 import BogackiShampine3 as BogackiShampine3
from corank.ode.solvers.dormand_prince5 import DormandPrince5 as DormandPrince5
from corank.ode.solvers.euler import Euler as Euler
from corank.ode.solvers.heun import Heun as Heun
from corank.ode.solvers.kutta3 import Kutta3 as Kutta3
from corank.ode.solvers.midpoint import Midpoint as Midpoint
from corank.ode.solvers.rk2 import RK2 as RK2
from corank.ode.solvers.rk3 import RK3 as RK3
from corank.ode.solvers.rk4 import RK4 as RK4
from corank.ode.solvers.rk4_family import RK4Family as RK4Family
from corank.ode.solvers.three_eighths import ThreeEighths as ThreeEighths
from corank.ode.solvers.tsitouras5 import Tsitouras5 as Tsitouras5

__all__ = [
    "RK2",
    "RK3",
    "RK4",
    "AdaptiveSolver",
    "BogackiShampine3",
    "DormandPrince5",
    "Euler",
    "FixedSolver",
    "Heun",
    "Kutta3",
    "Midpoint",
    "RK4Family",
    "Solver",
    "StepControl",
    "ThreeEighths",
    "Tsitouras5",
]
