"""The commands of neural ODEs."""

from __future__ import annotations

from cyclopts import App

from corank.cli.ode_compare import compare
from corank.cli.ode_density import density
from corank.cli.ode_networks import smoothness, train

ode_app = App(name="ode", help="Neural ODEs: train them, look at their gradients, their smoothness, their densities.")
ode_app.command(train)
ode_app.command(compare)
ode_app.command(smoothness)
ode_app.command(density)
