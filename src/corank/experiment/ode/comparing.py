"""Gradient methods side by side on one field: error, time, evaluations and memory of each."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from corank.errors import InputError, near
from corank.experiment.ode.problems import ODEProblem
from corank.network.quiet import quiet_libraries
from corank.ode import IRDM, RDM, Auto, Backprop, Checkpoint, DormandPrince5, Gradient, Quadrature, Statistics, solve
from corank.ode.diagnostics import reference_gradient
from corank.result import Result, Scalar

METHODS: dict[str, Gradient | None] = {
    "backprop": Backprop(),
    "rdm": RDM(),
    "irdm": IRDM(),
    "ours": Quadrature(),
    "checkpoint": Checkpoint(),
    "auto": Auto(),
    "torchdiffeq-adjoint": None,
}
"""The compared methods; torchdiffeq's is not ours to hold."""

FAR = 30
"""How many tolerances an error may be before the row says why; solutions are less accurate than their steps."""

MB = 2**20


@final
@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One method on one field.

    Attributes:
        method: its name.
        gradient_error: of the parameters' gradient, relative to the one in float64 with small tolerances.
        seconds_forward: the median of the solve.
        seconds_backward: the median of the backward pass.
        evaluations_forward: of the field.
        evaluations_backward: of the field in the backward pass.
        peak_mb: the largest memory of tensors that the two passes allocated, in units of 2^20 bytes.
        chosen: what the statistics name as the method.
        nodes: stored states that it interpolates between.
        interpolation_error: of the state between them, relative.
        note: what else is to be said, and why an error of many tolerances is so large.
    """

    method: str
    gradient_error: float
    seconds_forward: float
    seconds_backward: float
    evaluations_forward: int
    evaluations_backward: int
    peak_mb: float
    chosen: str = ""
    nodes: int = 0
    interpolation_error: float | None = None
    note: str = ""


@final
@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A method that could not be measured, and why."""

    method: str
    reason: str


@final
@dataclass(frozen=True, kw_only=True)
class ODEComparison(Result):
    """Gradient methods on one field.

    Attributes:
        problem: its name.
        seed: of its weights and states.
        tolerance: both tolerances of all solves.
        repeats: of the timings, in turns.
        threads: of torch.
        reference_tolerance: both tolerances of the float64 reference.
        methods: a row for each method.
        left_out: the methods that could not be measured.
    """

    problem: str
    seed: int
    tolerance: float
    repeats: int
    threads: int
    reference_tolerance: float
    methods: tuple[MethodRow, ...]
    left_out: tuple[LeftOut, ...]

    def row(self) -> dict[str, Scalar]:
        """The problem, and what `auto` made of it."""
        found: dict[str, Scalar] = {"problem": self.problem, "tolerance": self.tolerance}
        for row in self.methods:
            if row.method == "auto":
                found |= {"auto": row.chosen, "gradient_error": row.gradient_error}
        return found


def check_comparison(methods: Sequence[str], tolerance: float, repeats: int) -> None:
    """Refuse what cannot be compared, before any work.

    Raises:
        InputError: an unknown method, or numbers out of range.
    """
    for method in methods:
        if method not in METHODS:
            raise InputError(f"unknown method {method!r}; {near(method, METHODS)}")
    if not methods:
        raise InputError(f"at least one method must be compared, got none; known: {', '.join(METHODS)}")
    if not 1e-12 <= tolerance <= 0.1:
        raise InputError(f"tolerance must be between 1e-12 and 0.1, got {tolerance}")
    if repeats < 1:
        raise InputError(f"repeats must be at least 1, got {repeats}")


def compare_gradients(
    name: str,
    problem: ODEProblem,
    *,
    methods: Sequence[str] = tuple(METHODS),
    seed: int = 0,
    tolerance: float = 1e-5,
    repeats: int = 3,
    report: Callable[[str], None] = lambda stage: None,
) -> ODEComparison:
    """Measure every method, in turns, on one thread's worth of whatever torch is set to.

    Args:
        name: of the problem.
        problem: field, state and loss.
        methods: of `METHODS`.
        seed: for the record.
        tolerance: both tolerances of the solves.
        repeats: of the timings; the first turn is to warm up and not counted.
        report: told what is being done.

    Raises:
        InputError: an unknown method, or numbers out of range.
    """
    check_comparison(methods, tolerance, repeats)
    report("the reference, in float64 with small tolerances")
    exact = reference_gradient(
        problem.field, problem.z0, problem.times, problem.loss, tight=problem.reference_tolerance
    )
    runs = {method: _Run(method, problem, tolerance) for method in methods if method != TORCHDIFFEQ or _is_there()}
    left_out = tuple(
        LeftOut(method=method, reason="torchdiffeq is not installed: pip install corank[torchdiffeq]")
        for method in methods
        if method not in runs
    )
    for turn in range(repeats + 1):
        report(f"timings, turn {turn} of {repeats}" if turn else "a first turn to warm up")
        for run in runs.values():
            run.time(is_counted=turn > 0)
    report("memory and errors")
    return ODEComparison(
        problem=name,
        seed=seed,
        tolerance=tolerance,
        repeats=repeats,
        threads=torch.get_num_threads(),
        reference_tolerance=problem.reference_tolerance,
        methods=tuple(run.row(exact) for run in runs.values()),
        left_out=left_out,
    )


TORCHDIFFEQ = "torchdiffeq-adjoint"


def _is_there() -> bool:
    return find_spec("torchdiffeq") is not None


class _Run:
    """One method's passes over a problem."""

    def __init__(self, method: str, problem: ODEProblem, tolerance: float) -> None:
        self.method, self._problem, self._tolerance = method, problem, tolerance
        self._field = _Counted(copy.deepcopy(problem.field))
        self._parameters = [one for one in self._field.parameters() if one.requires_grad]
        self._statistics = Statistics()
        self._times: list[tuple[float, float]] = []
        self._gradient = torch.empty(0)

    def _solved(self) -> Tensor:
        problem, gradient = self._problem, METHODS[self.method]
        self._field.calls = 0
        if gradient is None:
            import torchdiffeq

            times = torch.tensor(problem.times)
            tolerances = {"rtol": self._tolerance, "atol": self._tolerance, "method": "dopri5"}
            found: Tensor = torchdiffeq.odeint_adjoint(self._field, problem.z0, times, **tolerances)[-1]
            self._statistics = Statistics(gradient="rdm", evaluations_forward=self._field.calls)
            return found
        solver = DormandPrince5(rtol=self._tolerance, atol=self._tolerance)
        solution = solve(self._field, problem.z0, problem.times, solver=solver, gradient=gradient)
        self._statistics = solution.statistics
        assert isinstance(solution.last, Tensor)
        return solution.last

    def time(self, *, is_counted: bool) -> None:
        """One forward and one backward pass."""
        start = _now(self._problem.z0)
        loss = self._problem.loss(self._solved())
        middle = _now(self._problem.z0)
        found = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        end = _now(self._problem.z0)
        if METHODS[self.method] is None:
            self._statistics.evaluations_backward = self._field.calls - self._statistics.evaluations_forward
        pairs = zip(found, self._parameters, strict=True)
        self._gradient = torch.cat([(two * 0 if one is None else one).detach().reshape(-1) for one, two in pairs])
        if is_counted:
            self._times.append((middle - start, end - middle))

    def row(self, exact: Tensor) -> MethodRow:
        """What was found."""
        error = float(torch.linalg.vector_norm(self._gradient.double() - exact) / torch.linalg.vector_norm(exact))
        counts = copy.copy(self._statistics)
        forward, backward = zip(*self._times, strict=True)
        return MethodRow(
            method=self.method,
            gradient_error=error,
            seconds_forward=statistics.median(forward),
            seconds_backward=statistics.median(backward),
            evaluations_forward=counts.evaluations_forward,
            evaluations_backward=counts.evaluations_backward,
            peak_mb=peak_bytes(lambda: self.time(is_counted=False), self._problem.z0.device) / MB,
            chosen=counts.gradient,
            nodes=counts.nodes,
            interpolation_error=counts.interpolation_error,
            note="; ".join(filter(None, (counts.note, self._why_far(error, counts)))),
        )

    def _why_far(self, error: float, counts: Statistics) -> str:
        """What makes an error many times the tolerance; empty where it is not."""
        gradient = METHODS[self.method]
        if error <= FAR * self._tolerance or not isinstance(gradient, RDM | IRDM | Backprop | Checkpoint | None):
            return ""
        if isinstance(gradient, Backprop | Checkpoint):
            return "exact for the steps that were taken: what is left is the error of the solution itself"
        last = self._solved().detach().requires_grad_()
        (adjoint,) = torch.autograd.grad(self._problem.loss(last), last)
        unit = float(adjoint.square().mean().sqrt())
        absolute = f"on the way back {self._tolerance:g} is absolute, beside an adjoint of {unit:.2g} at the end"
        if isinstance(gradient, IRDM):
            return f"{absolute}, and {counts.nodes} nodes interpolate the trajectory, whatever the tolerance"
        return absolute


class _Counted(nn.Module):
    """A field that counts its calls, for a solver that does not."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field, self.calls = field, 0

    def forward(self, t: Tensor, z: Tensor) -> Any:
        self.calls += 1
        return self.field(t, z)


def _now(like: Tensor) -> float:
    if like.is_cuda:
        torch.cuda.synchronize(like.device)
    return time.perf_counter()


def peak_bytes(work: Callable[[], Any], device: torch.device) -> int:
    """The largest memory that tensors allocated during some work, beyond what there was before.

    Example:
        >>> peak_bytes(lambda: torch.empty(1000).sum(), torch.device("cpu")) >= 4000
        True
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return int(torch.cuda.max_memory_allocated(device)) - int(before)
    with quiet_libraries(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    results = seen.profiler.kineto_results
    assert results is not None
    sizes = sorted((event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]")
    now = largest = 0
    for _, size in sizes:
        now += size
        largest = max(largest, now)
    return largest
