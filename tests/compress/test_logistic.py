"""Logistic regression as a new end: the gradient of what it is said to minimise vanishes there."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.compress.chaos import PolynomialChaos
from corank.compress.logistic import RIDGE, LinearReadout, fit_logistic
from corank.compress.samples import Drawn, Samples
from corank.errors import InputError

CLASSES = 4
TOLERANCE = 1e-4  # of the solver, for each component of the gradient


def drawn(
    m: int, n: int, directions: Tensor | None = None, *, labels: Tensor | None = None, mean: float = 3.0
) -> Drawn:
    """Samples whose classes overlap, with `n` features of a mean far from nought."""
    chance = torch.Generator().manual_seed(m + n)
    truth = torch.arange(m) % CLASSES if labels is None else labels
    x = torch.randn(m, n, generator=chance, dtype=torch.float64) * torch.linspace(0.1, 2, n) + mean
    x[torch.arange(m), truth] += 1.0
    logits = torch.randn(m, CLASSES, generator=chance, dtype=torch.float64)
    z = x if directions is None else x @ directions.T
    part = Samples(z=z, logits=logits, labels=truth)
    return Drawn(directions=directions, fitted=part, heldout=part)


def orthonormal(rank: int, n: int) -> Tensor:
    chance = torch.Generator().manual_seed(rank)
    return torch.linalg.qr(torch.randn(n, rank, generator=chance, dtype=torch.float64))[0].T.contiguous()


def standardised(z: Tensor) -> tuple[Tensor, float]:
    centred = z - z.mean(0)
    scale = float(centred.square().sum(1).mean().sqrt())
    return centred / scale, scale


def slopes(module: nn.Module, given: Drawn) -> Tensor:
    """`(classes, r)` how the outputs grow with the coordinates."""
    if isinstance(module, LinearReadout):
        return module.weight.detach()
    assert isinstance(module, PolynomialChaos)
    assert given.directions is not None
    return (module.coefficients[:, 1:] @ module.subspace @ given.directions.T).detach()


def outputs(module: nn.Module, given: Drawn) -> Tensor:
    """At the samples, from coordinates that have no part outside of the directions."""
    z = given.fitted.z
    with torch.no_grad():
        found: Tensor = module(z if given.directions is None else z @ given.directions)
    return found


@pytest.mark.parametrize(
    "given",
    [drawn(300, 20, orthonormal(6, 20)), drawn(300, 20, orthonormal(1, 20)), drawn(300, 20), drawn(120, 500)],
    ids=["directions", "one direction", "fewer features than samples", "more features than samples"],
)
def test_it_is_where_the_penalised_cross_entropy_is_least(given: Drawn) -> None:
    module = fit_logistic(given).module
    rows, scale = standardised(given.fitted.z)
    wrong = outputs(module, given).softmax(1) - functional.one_hot(given.fitted.labels, CLASSES)
    gradient = wrong.T @ rows / len(rows) + RIDGE * scale * slopes(module, given)
    bound = TOLERANCE * math.sqrt(CLASSES * min(rows.shape))
    assert float(gradient.norm()) <= bound
    assert float(wrong.mean(0).abs().max()) <= TOLERANCE
    at_nought = functional.one_hot(given.fitted.labels, CLASSES) - 1 / CLASSES
    assert float((at_nought.T.double() @ rows / len(rows)).norm()) > 5 * bound


def test_two_classes_share_one_plane_evenly() -> None:
    given = drawn(200, 12, labels=torch.arange(200) % 2)
    module = fit_logistic(given).module
    rows, scale = standardised(given.fitted.z)
    plane = slopes(module, given) * scale
    torch.testing.assert_close(plane[0], -plane[1])
    margin = outputs(module, given)[:, 1] - outputs(module, given)[:, 0]
    gradient = (margin.sigmoid() - given.fitted.labels) @ rows / len(rows) + RIDGE * plane[1]  # as of three classes
    assert float(gradient.abs().max()) <= TOLERANCE


@pytest.mark.parametrize("present", [2, 3])
def test_a_class_without_a_sample_is_improbable_everywhere_and_finite(present: int) -> None:
    given = drawn(240, 10, labels=1 + torch.arange(240) % present)  # class 0 is missing, and maybe class 3
    found = outputs(fit_logistic(given).module, given)
    missing = [0] if present == 3 else [0, 3]
    assert bool(torch.isfinite(found).all())
    assert float(found.softmax(1)[:, missing].max()) < 1 / 240
    assert float((found.argmax(1) == given.fitted.labels).double().mean()) > 0.5


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(InputError, match=r"at least two classes, all 30 have the label 2: give batches in random"):
        fit_logistic(drawn(30, 5, labels=torch.full((30,), 2)))


def test_a_solver_that_was_stopped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fit_logistic(drawn(120, 20)).chosen == ""
    monkeypatch.setattr("corank.compress.logistic.STEPS", 2)
    assert fit_logistic(drawn(120, 20)).chosen == "2 steps of the solver did not reach the best fit"


@pytest.mark.parametrize("n", [5, 300])
def test_features_that_do_not_vary_are_refused(n: int) -> None:
    given = drawn(200, n)
    given.fitted.z.fill_(7.0)
    with pytest.raises(InputError, match="are the same for all 200 samples: cut at another layer"):
        fit_logistic(given)


@pytest.mark.parametrize("n", [30, 400])
def test_its_error_is_that_of_the_layers_as_deployed(n: int) -> None:
    """In single precision, with a mean a hundred times the spread."""
    given = drawn(120, n, mean=100.0)
    single = Samples(z=given.fitted.z.float(), logits=given.fitted.logits, labels=given.fitted.labels)
    found = fit_logistic(Drawn(directions=None, fitted=single, heldout=single))
    exact = outputs(fit_logistic(given).module, given)
    with torch.no_grad():
        deployed = found.module(single.z).double()
    # a weighted sum of n features rounds to eps |w| |x|, here far below the spread of the outputs
    torch.testing.assert_close(deployed, exact, atol=2e-2 * float(exact.std()), rtol=0)
    assert found.residual == pytest.approx(float((single.logits - deployed).square().sum(1).mean()), rel=1e-6)
    assert (found.rank, found.order, found.terms, found.bounds) == (n, 1, n + 1, None)
