from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.experiment.ode import comparing
from corank.experiment.ode.comparing import METHODS, MethodRow, compare_gradients
from corank.experiment.ode.problems import ODEProblem, density_problem, ode_problem
from corank.ode import IRDM
from corank.result import jsonable


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3))

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        moved: Tensor = self.net(z)
        return moved


def small() -> ODEProblem:
    z0 = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    return ODEProblem(field=Small(), z0=z0, times=(0.0, 1.0), loss=lambda z: z.square().mean())


def test_every_method_has_a_row_with_an_error_near_the_tolerance() -> None:
    found = compare_gradients("small", small(), repeats=1, tolerance=1e-4)
    rows = {row.method: row for row in found.methods}
    assert list(rows) + [one.method for one in found.left_out] == list(METHODS)
    for name, row in rows.items():
        assert 0 < row.gradient_error < 2e-2, name
        assert row.seconds_forward > 0
        assert row.peak_mb > 0
        assert row.evaluations_forward > 0
        assert (row.evaluations_backward > 0) == (name != "backprop")
    written = json.loads(json.dumps(jsonable(found)))
    wanted = {"method", "gradient_error", "seconds_forward", "seconds_backward", "evaluations_forward"}
    assert all(wanted | {"evaluations_backward", "peak_mb"} <= set(row) for row in written["methods"])


def test_a_row_far_from_the_tolerance_says_why_and_tells_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss in a small unit has an adjoint below an absolute tolerance; a tolerance in its own unit mends that."""
    tiny = dataclasses.replace(small(), times=(0.0, 10.0), loss=lambda z: 1e-6 * z.square().mean())

    def row(method: str) -> MethodRow:
        return compare_gradients("small", tiny, methods=[method], repeats=1, tolerance=1e-5).methods[0]

    far, own = row("irdm"), row("ours")
    assert own.gradient_error < comparing.FAR * 1e-5 < far.gradient_error
    assert "on the way back 1e-05 is absolute, beside an adjoint of" in far.note
    assert f"and {far.nodes} nodes interpolate the trajectory" in far.note
    assert own.note == ""
    monkeypatch.setitem(METHODS, "irdm", IRDM(atol=1e-11))
    mended = row("irdm")
    assert mended.gradient_error < comparing.FAR * 1e-5
    assert mended.note == ""


def test_without_torchdiffeq_its_row_is_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "_is_there", lambda: False)
    found = compare_gradients("small", small(), repeats=1, methods=["checkpoint", "torchdiffeq-adjoint"])
    assert [row.method for row in found.methods] == ["checkpoint"]
    assert found.left_out[0].method == "torchdiffeq-adjoint"
    assert "not installed" in found.left_out[0].reason


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="at least one method"):
        compare_gradients("small", small(), methods=[])
    with pytest.raises(InputError, match="did you mean"):
        ode_problem("cnf-moon")


def test_a_density_learns_in_its_few_steps() -> None:
    fresh, trained = (density_problem(0, training_steps=steps) for steps in (0, 15))
    with torch.no_grad():
        losses = [float(one.loss(_end(one))) for one in (fresh, trained)]
    assert losses[1] < losses[0]


def _end(problem: ODEProblem) -> Tensor:
    from corank.ode import solve

    last = solve(problem.field, problem.z0, problem.times).last
    assert isinstance(last, Tensor)
    return last
