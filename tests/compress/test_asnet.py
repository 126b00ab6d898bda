from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.compress import ASNet, forecast
from corank.compress.asnet import HEAD
from corank.errors import InputError
from corank.linalg import number_of_terms
from corank.network import Layers, Normalised, capture, cost
from corank.train.evaluate import predict

from ..network.architectures import build
from . import polynomial
from .plane import data, graph, inputs, net, small, untuned


@pytest.mark.parametrize(("rank", "order", "ratio"), [(4, 1, 1.0), (3, 2, 30.0), (3, 3, 30.0), (2, 3, 100.0)])
def test_an_end_that_is_a_polynomial_is_reproduced(rank: int, order: int, ratio: float) -> None:
    network, batches = polynomial.graph(rank, order, ratio), polynomial.data()
    made = ASNet(layer="2", rank=rank, order=order, epochs=0).compress(network, batches)
    expected = predict(network, batches)
    assert polynomial.relative(predict(made.network, batches), expected) <= 1e-4
    assert made.residual <= 1e-8 * made.variance
    assert made.captured_heldout == pytest.approx(1.0)
    unseen = torch.randn(50, polynomial.INPUTS) * 0.7
    with torch.no_grad():
        assert polynomial.relative(made.network(unseen), network(unseen)) <= 1e-4


def test_one_order_or_direction_less_is_not_enough() -> None:
    network, batches = polynomial.graph(3, 2), polynomial.data()
    for rank, order in ((2, 2), (3, 1)):
        made = ASNet(layer="2", rank=rank, order=order, epochs=0).compress(network, batches)
        assert made.residual > 1e-3 * made.variance


def test_order_nought_gives_the_mean_of_the_logits() -> None:
    made = small(order=0, epochs=0)
    given = torch.randn(3, 2)
    is_fitted = torch.arange(640) % 5 != 4
    mean = predict(net(), data())[is_fitted].mean(0)
    with torch.no_grad():
        torch.testing.assert_close(made.network(given), mean.expand(3, 3), rtol=1e-5, atol=1e-5)
    assert made.terms == 1


def test_constant_logits_have_no_active_subspace() -> None:
    with pytest.raises(InputError, match=r"layer '2'"):
        ASNet(layer="2", rank=1, order=0).compress(polynomial.graph(1, 0), polynomial.data())


@pytest.mark.parametrize(("rank", "order"), [(1, 0), (4, 1), (4, 2), (3, 3)])
def test_the_new_layers_hold_two_matrices_and_nothing_else_counts(rank: int, order: int) -> None:
    made = small(rank=rank, order=order, epochs=0)
    terms = number_of_terms(rank, order)
    new = {name: tuple(value.shape) for name, value in made.network.named_parameters() if name.startswith(HEAD)}
    assert new == {f"{HEAD}.subspace": (rank, 16), f"{HEAD}.coefficients": (3, terms)}
    assert made.terms == terms
    assert made.head.parameters == 16 * rank + 3 * terms
    assert made.head.storage_bytes == 4 * made.head.parameters
    assert made.head.multiply_adds == 16 * rank + 3 * terms
    assert made.pre.parameters == 2 * 16 + 16
    assert made.overall == cost(made.network, (2,)) == made.pre + made.head
    # beside them only whole numbers, which say what the terms are and follow from rank and order
    floating = [name for name, value in made.network.named_buffers() if value.is_floating_point()]
    assert floating == []


@pytest.mark.parametrize("order", [1, 2])
def test_the_residual_is_that_of_the_network_that_is_returned(order: int) -> None:
    network = net()
    made = ASNet(layer="1", rank=4, order=order, epochs=0).compress(network, data())
    squares = (predict(made.network, data()) - predict(network, data())).double().square().sum(1)
    logits = predict(network, data()).double()
    held = torch.arange(640) % 5 == 4
    assert made.samples_fit == 512
    assert made.residual == pytest.approx(float(squares[~held].mean()), rel=1e-4)
    assert made.residual_heldout == pytest.approx(float(squares[held].mean()), rel=1e-4)
    spread = logits[~held] - logits[~held].mean(0)
    assert made.variance == pytest.approx(float(spread.square().sum(1).mean()), rel=1e-6)


def test_a_higher_order_fits_no_worse() -> None:
    low, high = small(order=1, epochs=0), small(order=3, epochs=0)
    assert high.residual <= untuned().residual <= low.residual <= low.variance
    assert high.residual < 0.2 * low.residual


class Many:
    """The same few batches over and over, counted."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.drawn = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(self.times):
            for batch in data():
                self.drawn += 1
                yield batch


def test_no_more_samples_are_read_than_the_fit_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corank.compress.asnet.SAMPLES_AT_LEAST", 60)
    many = Many(1000)
    made = ASNet(layer="1", rank=4, order=2, samples=100, epochs=0).compress(graph(), many)
    assert made.samples_fit == 10 * made.terms == 150
    assert many.drawn < 20
    assert "10.0 a coefficient" in made.message


def test_too_few_samples_are_refused_and_few_are_spoken_of() -> None:
    few = data()[:1]
    with pytest.raises(InputError, match=r"order 3 in 4 variables has 35 coefficients .* got 26: lower the rank"):
        ASNet(layer="1", rank=4, order=3, epochs=0).compress(graph(), few)
    made = ASNet(layer="1", rank=4, order=2, epochs=0).compress(graph(), few)
    assert made.message.startswith("fitted on only 26 samples, 1.7 a coefficient where 5 are advisable")


def test_without_heldout_samples_their_residual_is_unknown() -> None:
    x, y = data()[0]
    made = ASNet(layer="1", rank=2, order=1, epochs=0).compress(graph(), [(x[:4], y[:4])])
    assert math.isnan(made.residual_heldout)
    assert made.bounds is None
    assert made.to_dict()["residual_heldout"] is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rank": 17}, "rank must be at most the 16 features at the cut, got 17"),
        ({"layer": "5", "rank": 8}, "rank 8 needs as many directions with gradients, the 512 samples have 2"),
        ({"layer": "nine"}, "no layer 'nine'"),
        ({"layer": 1}, "layer 1 is not in the network"),
        ({"layer": "*"}, r"a cut needs one layer, '\*' names 2"),
        ({"rank": 0}, "rank must be at least 1, got 0"),
        ({"order": -1}, "order must be at least 0, got -1"),
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"epochs": -1}, "epochs .* got -1"),
        ({"beta": 1.5}, "beta must be between 0 and 1, got 1.5"),
        ({"pre_rate": 0.0}, "pre_rate must be positive and finite, got 0.0"),
        ({"head_rate": math.inf}, "head_rate .* got inf"),
        ({"ridge": math.nan}, "ridge .* got nan"),
        ({"fit": "lasso"}, "fit must be one of least-squares, ridge, sparse, d-optimal, got 'lasso'"),
        ({"basis": "legendre"}, "basis must be one of hermite, data-driven, got 'legendre'"),
        ({"sparse": "l0"}, "sparse must be one of l1, group-lasso, nuclear-norm, None, got 'l0'"),
        ({"sparse_weight": -1.0}, "sparse_weight must be at least 0 and finite, got -1.0"),
        ({"sparse_epochs": 0}, "sparse_epochs must be at least 1, got 0"),
        ({"sparse_pre_rate": 0.0}, "sparse_pre_rate must be positive and finite, got 0.0"),
        ({"sparse_head_rate": math.inf}, "sparse_head_rate .* got inf"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_value(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        small(**options)
    assert "\n" not in str(caught.value)


def test_a_cut_inside_a_residual_branch_names_where_else() -> None:
    resnet = build("resnet")
    batches = [(resnet.batch(10), torch.arange(10) % 3)]
    with pytest.raises(
        InputError, match=r"'layer2.0.bn1' cannot be cut.* the nearest legal cuts are layer1.0.* and layer2.0"
    ):
        ASNet(layer="layer2.0.bn1", rank=2).compress(resnet.network, batches)


@pytest.mark.parametrize("basis", ["hermite", "data-driven"])
@pytest.mark.parametrize("fit", ["least-squares", "ridge", "sparse", "d-optimal"])
def test_every_fit_reproduces_an_end_that_is_a_polynomial(fit: str, basis: str) -> None:
    network, batches = polynomial.graph(3, 2, 30.0), polynomial.data()
    made = ASNet(layer="2", rank=3, order=2, epochs=0, fit=fit, basis=basis).compress(network, batches)  # type: ignore[arg-type]
    expected = predict(network, batches)
    assert polynomial.relative(predict(made.network, batches), expected) <= 2e-4
    assert made.bounds is not None
    assert made.bounds.polynomial_loss_squared == pytest.approx(made.bounds.loss_squared, rel=1e-3)
    assert made.message.startswith("fitted on ")


def test_what_a_fit_decided_is_said() -> None:
    said = {fit: small(epochs=0, fit=fit).message for fit in ("least-squares", "ridge", "sparse", "d-optimal")}
    assert said["least-squares"] == "fitted on 512 samples, 34.1 a coefficient"
    assert "predicts left-out samples best" in said["ridge"]
    assert "of 45 coefficients are not zero" in said["sparse"]
    assert said["d-optimal"].startswith(
        "fitted on only 30 samples, 2.0 a coefficient where 5 are advisable: chosen among 512"
    )


def test_fewer_samples_than_coefficients_are_enough_for_a_ridge() -> None:
    few = data()[:1]
    made = ASNet(layer="1", rank=4, order=3, epochs=0, fit="ridge").compress(graph(), few)
    assert made.samples_fit == 26 < made.terms
    assert made.residual < made.variance


def test_the_bounds_of_the_lemmas_are_those_of_the_fit() -> None:
    made = untuned()
    assert made.bounds is not None
    assert made.bounds.samples == 128
    assert made.bounds.residual == pytest.approx(made.residual_heldout)
    held = torch.arange(640) % 5 == 4
    labels = torch.cat([y for _, y in data()])[held]
    losses = nn.functional.cross_entropy(predict(made.network, data())[held], labels, reduction="none")
    assert made.bounds.polynomial_loss_squared == pytest.approx(float(losses.square().mean()), rel=1e-4)
    assert made.bounds.polynomial_loss_squared <= made.bounds.polynomial_bound
    assert made.bounds.variables_loss_squared <= made.bounds.variables_bound
    assert made.to_dict()["bounds"]["samples"] == 128


def test_the_cut_network_goes_on_in_training_and_evaluation_mode() -> None:
    made = small(layer="2", epochs=0).network
    given = torch.randn(50, 2)
    assert not made.training
    quiet = made(given)
    made.train()
    assert not torch.equal(made(given), quiet)
    made.eval()
    assert torch.equal(made(given), quiet)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet", "layer2.0"),
        ("vgg", 2),
        ("text_transformer", "norm"),
        ("vision_transformer", "block"),
        ("normalised", "relu1"),
        ("functional", 2),
        ("batch_sizes", "conv"),
    ],
)
def test_networks_of_any_kind_are_cut_at_what_was_forecast(name: str, layer: str | int) -> None:
    architecture = build(name)
    batches = [(architecture.batch(size), torch.randint(3, (size,))) for size in (30, 31, 32)]
    made = ASNet(layer=layer, rank=2, order=2, epochs=1).compress(architecture.network, batches)
    promised = forecast(architecture.network, layer, architecture.batch(2), rank=2, order=2)
    for part in ("pre", "head", "overall"):
        assert getattr(made, part) == getattr(promised, part)
    assert (made.layer, made.features, made.original) == (promised.layer, promised.features, promised.network)
    x = architecture.batch(5)
    with torch.no_grad():
        assert made.network(x).shape == promised.module(x).shape == architecture.network(x).shape


def test_a_normalising_wrapper_stays_with_the_cut_network() -> None:
    inner = net()
    wrapped = Normalised(nn.Sequential(nn.Unflatten(1, (2, 1)), nn.Flatten(), inner), [0.5, -0.5], [2.0, 0.5])
    scale, shift = torch.tensor([2.0, 0.5]), torch.tensor([0.5, -0.5])
    batches = [(x * scale + shift, y) for x, y in data()]
    made = ASNet(layer="2.1", rank=4, order=2, epochs=0).compress(wrapped, batches)
    torch.testing.assert_close(predict(made.network, batches), predict(untuned().network, data()), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_new_layers_follow_the_type_of_the_network(dtype: torch.dtype) -> None:
    batches = [(x.to(dtype), y) for x, y in data()]
    made = ASNet(layer="1", rank=3, order=2, epochs=1).compress(net().to(dtype), batches)
    promised = forecast(net().to(dtype), "1", batches[0][0], rank=3, order=2)
    assert {value.dtype for value in made.network.parameters()} == {dtype}
    assert made.head == promised.head
    assert made.overall == promised.overall
    assert made.overall.storage_bytes == dtype.itemsize * made.overall.parameters


def test_networks_of_half_precision_are_refused() -> None:
    batches = [(x.bfloat16(), y) for x, y in data()]
    with pytest.raises(InputError, match=r"float32 or torch.float64, got torch.bfloat16 in 0.weight"):
        ASNet(layer="1", rank=3).compress(net().bfloat16(), batches)


def test_frozen_parameters_stay_as_they_are() -> None:
    network = net()
    network[0].weight.requires_grad_(False)
    made = ASNet(layer="1", rank=3, order=1, epochs=1, pre_rate=1e-2).compress(network, data())
    assert torch.equal(made.network.get_parameter("0.weight"), network[0].weight)
    assert not torch.equal(made.network.get_parameter("0.bias"), network[0].bias)


def test_a_cut_network_can_be_cut_again() -> None:
    once = small(layer="5", rank=2, order=2, epochs=0)
    twice = ASNet(layer="1", rank=4, order=3, epochs=0).compress(once.network, data())
    assert twice.overall.parameters < once.overall.parameters
    assert twice.residual < 0.2 * twice.variance


def test_a_cut_network_can_be_cut_again_behind_its_new_end() -> None:
    once = untuned()
    x = inputs(data())
    behind = Layers(capture(once.network, x), x.shape[1:]).legal_cuts[-1].name
    again = ASNet(layer=behind, rank=2, epochs=0).compress(once.network, data())
    parts = {name.split(".")[0] for name, _ in again.network.named_parameters()}
    assert {"asnet", "asnet2"} <= parts
    assert again.network(x).shape == once.network(x).shape


def test_rows_speak_of_the_cut() -> None:
    row = untuned().row()
    assert (row["layer"], row["features"], row["rank"], row["order"]) == ("1", 16, 4, 2)
    assert row["residual"] == untuned().residual
    assert untuned().to_dict()["head"]["parameters"] == untuned().head.parameters
