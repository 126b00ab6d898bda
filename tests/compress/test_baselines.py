"""What an ASNet is compared with: principal directions, logistic regression, and that on all features."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from corank.compress import ASNet, forecast
from corank.compress.asnet import HEAD, METHODS
from corank.compress.directions import find_directions
from corank.errors import InputError
from corank.network import GraphNetwork, cost, cut, load_graph, save_graph
from corank.train.evaluate import predict

from .plane import data, graph, inputs, net, small

FEATURES, CLASSES, RANK = 16, 3, 4
BASELINES = {name: {"directions": kind, "head": head} for (kind, head), name in METHODS.items() if name != "AS + PCE"}
each_baseline = pytest.mark.parametrize("name", BASELINES)


def features() -> tuple[Tensor, Tensor]:
    """At the cut: of the samples for fits, and of those held out."""
    with torch.no_grad():
        found = cut(net(), "1", inputs(data())).pre(inputs(data())).double()
    held = torch.arange(len(found)) % 5 == 4
    return found[~held], found[held]


@each_baseline
def test_a_baseline_says_what_it_is_and_costs_what_it_holds(name: str) -> None:
    made = small(epochs=0, **BASELINES[name])
    rank, order = (FEATURES if name == "LR" else RANK), (1 if "LR" in name else 2)
    assert (made.method, made.rank, made.order) == (name, rank, order)
    assert made.terms == math.comb(rank + order, order)
    shapes = {key: tuple(value.shape) for key, value in made.network.named_parameters() if key.startswith(HEAD)}
    if name == "LR":
        assert shapes == {f"{HEAD}.weight": (CLASSES, FEATURES), f"{HEAD}.bias": (CLASSES,)}
        assert made.head.multiply_adds == CLASSES * FEATURES
    else:
        assert shapes == {f"{HEAD}.subspace": (RANK, FEATURES), f"{HEAD}.coefficients": (CLASSES, made.terms)}
        assert made.head == forecast(net(), "1", inputs(data()), rank=rank, order=order).head
    assert made.head.parameters == sum(math.prod(shape) for shape in shapes.values())
    assert made.overall == cost(made.network, (2,)) == made.pre + made.head
    assert (made.bounds is None) == ("LR" in name)
    ending = "samples, 34.1 a coefficient" if "PCE" in name else "to the labels of 512 samples"
    assert made.message.startswith(f"{name}: fitted ")
    assert made.message.endswith(ending)
    assert (made.row()["method"], made.to_dict()["method"]) == (name, name)


@each_baseline
def test_the_residuals_are_those_of_the_network_that_is_returned(name: str) -> None:
    made = small(epochs=0, **BASELINES[name])
    squares = (predict(made.network, data()) - predict(net(), data())).double().square().sum(1)
    held = torch.arange(640) % 5 == 4
    assert made.residual == pytest.approx(float(squares[~held].mean()), rel=1e-3)
    assert made.residual_heldout == pytest.approx(float(squares[held].mean()), rel=1e-3)


@each_baseline
def test_a_baseline_goes_all_the_way(name: str, tmp_path: Path) -> None:
    """Fine-tuned, sparse, saved and loaded, like an ASNet."""
    made = small(
        epochs=1,
        head_rate=1e-3,
        sparse="l1",
        sparse_weight=1.0,
        sparse_epochs=1,
        sparse_head_rate=0.05,
        **BASELINES[name],
    )
    tuned, fitted = predict(made.tuned, data()), predict(made.fitted, data())
    assert not torch.equal(tuned, fitted)
    assert made.sparse is not None
    assert made.sparse.head.parameters <= made.head.parameters
    assert made.sparse.zeros > 0
    assert isinstance(made.network, GraphNetwork)
    save_graph(made.network, tmp_path)
    assert torch.equal(predict(load_graph(tmp_path), data()), predict(made.network, data()))


def test_principal_directions_are_those_of_the_largest_variance() -> None:
    seen, held = features()
    found = find_directions(net(), "1", data(), kind="principal", rank=RANK, samples=None)
    assert found.vectors is not None
    leading = torch.linalg.svd(seen - seen.mean(0))[2][:RANK]
    own = found.vectors.double()
    torch.testing.assert_close(own.T @ own, leading.T @ leading, atol=1e-5, rtol=0)
    centred = held - seen.mean(0)
    share = float((centred @ leading.T).square().sum() / centred.square().sum())
    assert found.captured_heldout == pytest.approx(share, rel=1e-4)
    assert small(epochs=0, directions="principal").captured_heldout == pytest.approx(share, rel=1e-4)
    assert small(epochs=0, directions="all", head="logistic").captured_heldout == 1.0


def test_jacobian_directions_are_those_of_the_gradients_of_all_outputs() -> None:
    """Random signs of the outputs average to `E[J^T J]`, here with half a thousand samples within some percent."""
    seen, _ = features()
    post = cut(net(), "1", inputs(data())).post.double()
    jacobians = torch.func.vmap(torch.func.jacrev(lambda h: post(h[None])[0]))(seen).detach()
    energies = torch.linalg.eigh(torch.einsum("mci,mcj->ij", jacobians, jacobians)).eigenvalues
    found = find_directions(net(), "1", data(), kind="jacobian", rank=RANK, samples=None)
    assert found.vectors is not None
    own = found.vectors.double()
    held = float(torch.einsum("mci,ki->mck", jacobians, own).square().sum())
    assert held == pytest.approx(float(energies[-RANK:].sum()), rel=0.02)
    assert held <= float(energies[-RANK:].sum()) * (1 + 1e-6)


def test_all_principal_directions_are_as_good_as_all_features() -> None:
    """The penalty of the logistic regression does not see a rotation."""
    rank = int(torch.linalg.matrix_rank(features()[0] - features()[0].mean(0)))
    principal = small(epochs=0, directions="principal", head="logistic", rank=rank)
    everything = small(epochs=0, directions="all", head="logistic")
    one, other = predict(principal.network, data()), predict(everything.network, data())
    torch.testing.assert_close(one, other, atol=1e-2 * float(other.std()), rtol=0)
    fewer = predict(small(epochs=0, directions="principal", head="logistic", rank=1).network, data())
    assert float((fewer - other).abs().max()) > 0.1 * float(other.std())


def test_the_labels_decide_and_not_the_logits() -> None:
    """With labels other than the network's own answers a logistic regression learns them, a polynomial does not."""
    turned = [(x, (y + 1) % CLASSES) for x, y in data()]
    labels = torch.cat([y for _, y in turned])

    def right(head: str) -> float:
        made = small_of(turned, head=head, directions="principal", rank=8)
        return float((predict(made, turned).argmax(1) == labels).double().mean())

    assert right("logistic") > 0.8
    assert right("polynomial") < 0.2


def small_of(batches: Any, **options: Any) -> torch.nn.Module:
    return ASNet(layer="1", order=2, epochs=0, **options).compress(graph(), batches).network


def test_rank_and_order_mean_nothing_to_all_features() -> None:
    one = small(epochs=0, directions="all", head="logistic", rank=1, order=0)
    other = small(epochs=0, directions="all", head="logistic", rank=999, order=9)
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("directions", ["active", "all"])
def test_so_many_samples_are_fitted_to_as_are_wanted(directions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"epochs": 0, "directions": directions, "head": "logistic"}
    assert small(samples_fit=100, **options).samples_fit == 100
    assert small(samples_fit=100_000, **options).samples_fit == 512
    monkeypatch.setattr("corank.compress.asnet.SAMPLES_AT_LEAST", 60)
    assert small(**options).samples_fit == 60


def test_all_features_of_too_many_samples_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corank.compress.asnet.MOST_VALUES", 100 * FEATURES)
    options = {"epochs": 0, "directions": "all", "head": "logistic"}
    assert small(samples_fit=100, **options).samples_fit == 100
    assert small(**options).samples_fit == 100
    with pytest.raises(InputError, match="samples_fit must be at most 100 with all 16 features in memory, got 101"):
        small(samples_fit=101, **options)
    assert small(samples_fit=101, epochs=0).samples_fit == 101


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"directions": "none"}, "directions must be one of active, jacobian, principal, all, got 'none'"),
        ({"head": "linear"}, "head must be one of polynomial, logistic, got 'linear'"),
        ({"directions": "all"}, "directions 'all' need the head 'logistic', got the head 'polynomial'"),
        ({"directions": "principal", "rank": 17}, "rank must be at most the 16 features at the cut, got 17"),
        ({"head": "logistic", "rank": 17}, "rank must be at most the 16 features at the cut, got 17"),
        ({"directions": "principal", "layer": "5", "rank": 12, "samples": 5}, "rank 12 needs as many .* varying"),
        ({"samples_fit": 0}, "samples_fit must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_value(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        small(epochs=0, **options)
    assert "\n" not in str(caught.value)
