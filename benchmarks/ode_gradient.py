"""What does the gradient of a neural ODE cost at which error, beside torchdiffeq's adjoint?

The four fields of `corank ode compare` (seed 0 is the one that the method was tuned on; the others, and the flows on
other densities, are held out), the loss's unit, the solvers' overhead, a field with an unstable reverse, and the bars
that the methods are held to. Torchdiffeq runs in the same turns. Errors are relative to float64 with small tolerances.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torchdiffeq
from _common import arguments, spread, write
from torch import Tensor

from corank.experiment.ode.comparing import ODEComparison, compare_gradients
from corank.experiment.ode.problems import ODEProblem, density_problem, ode_problem
from corank.ode import DormandPrince5, Gradient, solve
from corank.zoo.data.densities import circles, pinwheel

TORCHDIFFEQ = "torchdiffeq-adjoint"
METHODS = (TORCHDIFFEQ, "rdm", "ours", "checkpoint", "auto")
WITHOUT_OURS = (TORCHDIFFEQ, "rdm", "checkpoint", "auto")  # on fields with kinks it takes hundreds of evaluations
BARS = {  # problem: error, share of the time of torchdiffeq's adjoint
    "cnf-moons": (2.2e-4, 0.6),
    "conv-block": (2.1e-5, 0.5),
    "dissipative": (1.8e-4, 0.3),
    "relu": (1.0e-3, 0.55),
}
SCALES = (1e-4, 1e-2, 1.0, 1e2, 1e4)


def main() -> None:
    """Measure and write the numbers."""
    options = arguments((__doc__ or "").splitlines()[0], threads=1, seeds=2, repeats=3, held_out=1)
    rows, bars = [], []
    flow = ode_problem("cnf-moons", 0)
    for name in BARS:
        for seed in range(options.seeds):
            problem = flow if (name, seed) == ("cnf-moons", 0) else ode_problem(name, seed)
            found = compared(name, problem, seed, options.repeats)
            rows.append(found.to_dict())
            bars.append(held(found))
            print(bars[-1], flush=True)
    for name, sample in (("pinwheel", pinwheel), ("circles", circles)) if options.held_out else ():
        problem = density_problem(7, sample=sample)
        found = compared(f"cnf-{name}", problem, 7, options.repeats)
        rows.append(found.to_dict())
        bars.append(held(found, "cnf-moons"))
        print(bars[-1], flush=True)
    block = ode_problem("conv-block", 0)
    write(
        "ode_gradient",
        (__doc__ or "").splitlines()[0],
        {
            "setting": vars(options),
            "bars": bars,
            "loss_scale": {"cnf-moons": loss_scale(flow), "conv-block": loss_scale(block)},
            "overhead": [overhead(entries, options.repeats) for entries in (100, 20_000)],
            "forward": {"cnf-moons": forward(flow, options.repeats), "conv-block": forward(block, options.repeats)},
            "unstable_reverse": unstable_reverse(),
            "comparisons": rows,
        },
    )


def compared(name: str, problem: ODEProblem, seed: int, repeats: int) -> ODEComparison:
    """All methods on a problem."""
    methods = WITHOUT_OURS if name == "relu" else METHODS
    return compare_gradients(name, problem, methods=methods, seed=seed, repeats=repeats)


def held(found: ODEComparison, bar: str | None = None) -> dict[str, Any]:
    """The numbers of `auto`, and of ours, beside the bars."""
    error, share = BARS[bar or found.problem]
    rows = {row.method: row for row in found.methods}
    theirs = rows[TORCHDIFFEQ]
    base = theirs.seconds_forward + theirs.seconds_backward
    entry: dict[str, Any] = {"problem": found.problem, "seed": found.seed, "is_held_out": found.seed > 0}
    entry |= {"bar_error": error, "bar_share": share, "torchdiffeq_error": theirs.gradient_error}
    for method in ("rdm", "ours", "checkpoint", "auto"):
        if method in rows:
            row = rows[method]
            took = (row.seconds_forward + row.seconds_backward) / base
            entry[method] = {"error": row.gradient_error, "share": took, "chosen": row.chosen, "peak_mb": row.peak_mb}
    auto = entry["auto"]
    entry["is_error_met"], entry["is_time_met"] = auto["error"] <= error, auto["share"] <= share
    stored = rows["auto"].nodes * _entries(found) * 4 / 2**20
    entry["auto_memory_beyond_rdm_mb"], entry["stored_nodes_mb"] = rows["auto"].peak_mb - rows["rdm"].peak_mb, stored
    return entry


def _entries(found: ODEComparison) -> int:
    return 300 if found.problem.startswith("cnf") else 32 * 64 * 64


def loss_scale(problem: ODEProblem) -> dict[str, float]:
    """By how much the gradient changes at most, relative, when the loss is scaled and the gradient scaled back."""
    parameters = list(problem.field.parameters())
    found = {}
    for name in ("auto", "rdm", "irdm", TORCHDIFFEQ):
        gradients = {}
        for scale in SCALES:
            loss = scale * problem.loss(_last(problem, name))
            pieces = torch.autograd.grad(loss, parameters)
            gradients[scale] = torch.cat([piece.double().reshape(-1) for piece in pieces]) / scale
        middle = gradients[1.0]
        found[name] = max(float((one - middle).norm() / middle.norm()) for one in gradients.values())
    return found


def _last(problem: ODEProblem, name: str | Gradient) -> Tensor:
    if name == TORCHDIFFEQ:
        times = torch.tensor(problem.times)
        found: Tensor = torchdiffeq.odeint_adjoint(problem.field, problem.z0, times, rtol=1e-5, atol=1e-5)[-1]
        return found
    solver = DormandPrince5(rtol=1e-5, atol=1e-5)
    last = solve(problem.field, problem.z0, problem.times, solver=solver, gradient=name).last
    assert isinstance(last, Tensor)
    return last


@torch.no_grad()
def overhead(entries: int, repeats: int) -> dict[str, Any]:
    """Microseconds that a solve takes for an evaluation beyond the evaluation itself, of a field that does nothing."""
    z0, times = torch.linspace(0.1, 1, entries), torch.tensor([0.0, 10.0])
    calls = [0]

    def field(t: Tensor, z: Tensor) -> Tensor:
        calls[0] += 1
        return -z

    def bare() -> None:
        for _ in range(200):
            field(times[0], z0)

    solver = DormandPrince5(rtol=1e-6, atol=1e-6)
    works: dict[str, Callable[[], Any]] = {
        "corank": lambda: solve(field, z0, (0.0, 10.0), solver=solver),
        "torchdiffeq": lambda: torchdiffeq.odeint(field, z0, times, rtol=1e-6, atol=1e-6),
        "bare": bare,
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(5 * repeats):
        for name, work in works.items():
            calls[0] = 0
            start = time.perf_counter()
            work()
            taken[name].append(1e6 * (time.perf_counter() - start) / calls[0])
    least = {name: min(values) for name, values in taken.items()}
    beyond = {name: least[name] - least["bare"] for name in ("corank", "torchdiffeq")}
    return {"entries": entries, "microseconds": beyond, "ratio": beyond["corank"] / beyond["torchdiffeq"]}


@torch.no_grad()
def forward(problem: ODEProblem, repeats: int) -> dict[str, Any]:
    """Seconds of the forward solve alone."""
    times = torch.tensor(problem.times)
    solver = DormandPrince5(rtol=1e-5, atol=1e-5)
    taken: dict[str, list[float]] = {"corank": [], "torchdiffeq": []}
    for _ in range(repeats + 1):
        start = time.perf_counter()
        solve(problem.field, problem.z0, problem.times, solver=solver)
        middle = time.perf_counter()
        torchdiffeq.odeint(problem.field, problem.z0, times, rtol=1e-5, atol=1e-5)
        taken["corank"].append(middle - start)
        taken["torchdiffeq"].append(time.perf_counter() - middle)
    return {name: spread(values[1:]) for name, values in taken.items()}


def unstable_reverse() -> dict[str, float]:
    """Relative gradient errors on dz/dt = -diag(1, 10, 40) z, whose reverse grows by e^40 (TD, Figure 2.1)."""
    rates = torch.diag(torch.tensor([1.0, 10.0, 40.0], dtype=torch.float64))
    z0 = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = {}
    exact_matrix = (-rates).requires_grad_()
    loss = (z0 @ torch.linalg.matrix_exp(exact_matrix).T - 1).square().sum()
    (exact,) = torch.autograd.grad(loss, exact_matrix)
    for name in ("rdm", "ours", "checkpoint", "auto"):
        matrix = (-rates).clone().requires_grad_()
        solver = DormandPrince5(rtol=1e-6, atol=1e-6)
        method = "quadrature" if name == "ours" else name
        last = solve(lambda t, z, matrix=matrix: z @ matrix.T, z0, (0.0, 1.0), solver=solver, gradient=method).last
        assert isinstance(last, Tensor)
        (gradient,) = torch.autograd.grad((last - 1).square().sum(), matrix)
        found[name] = float((gradient - exact).norm() / exact.norm())
    return found


if __name__ == "__main__":
    main()
