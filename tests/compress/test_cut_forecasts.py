"""Forecasts of cuts: exact where the end is a polynomial, equal to separate fits, true of what is built."""

from __future__ import annotations

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from corank.compress import ASNet, CutForecast, CutForecasts, forecast, forecast_cuts
from corank.errors import InputError
from corank.measure import ActiveLayer, ActiveSubspace, ActiveSubspaces
from corank.network import Cost, GraphNetwork, capture
from corank.train import fit
from tests.compress import polynomial

Data = list[tuple[Tensor, Tensor]]


def measured(network: nn.Module, data: Data, rank: int = 8, layer: str = "*") -> ActiveSubspaces:
    return ActiveSubspace(layer=layer, rank=rank, replicates=0).measure(network, data)


def classes_of(network: nn.Module, data: Data) -> Data:
    """The data with the network's own answers as labels."""
    with torch.no_grad():
        return [(x, network(x).argmax(1)) for x, _ in data]


def test_a_polynomial_end_is_forecast_to_be_replaced_without_loss() -> None:
    network = polynomial.network(rank=2, order=2)
    data = classes_of(network, polynomial.data())
    layers = measured(network, data, layer="2").layers
    found = forecast_cuts(network, layers, data[:12], data[12:], ranks=[1, 9])
    poor, exact = found.cuts
    assert exact.explained == pytest.approx(1, abs=1e-9)  # float32 rounding of the logits, squared, and the ridge
    assert exact.agreement == exact.accuracy == found.accuracy == 1
    assert poor.explained < 0.9


@pytest.fixture(scope="module")
def of_modules() -> tuple[nn.Sequential, Data, Data]:
    """A network that tells noisy classes apart, its training data and others."""
    chance = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 10, generator=chance)

    def drawn(batches: int) -> Data:
        labels = [torch.randint(4, (64,), generator=chance) for _ in range(batches)]
        return [(centres[y] + 0.9 * torch.randn(64, 10, generator=chance), y) for y in labels]

    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 4))
    train = drawn(30)
    fit(network, train, epochs=10, optimiser=partial(torch.optim.Adam, lr=3e-3))
    return network.eval(), train, drawn(30)


@pytest.fixture(scope="module")
def trained(of_modules: tuple[nn.Sequential, Data, Data]) -> tuple[GraphNetwork, Data, Data]:
    """The same network, captured once for all."""
    network, train, others = of_modules
    return capture(network, train[0][0]), train, others


def test_every_rank_is_forecast_as_if_it_were_alone(trained: tuple[GraphNetwork, Data, Data]) -> None:
    network, train, others = trained
    layers = measured(network, train).layers
    together = forecast_cuts(network, layers, train, others, ranks=[2, 3, 8])
    for rank in (2, 3):
        alone = forecast_cuts(network, layers, train, others, ranks=[rank])
        for one, other in zip(alone.cuts, (row for row in together.cuts if row.rank == rank), strict=True):
            assert one.explained == pytest.approx(other.explained, abs=1e-6)
            assert (one.layer, one.accuracy, one.agreement) == (other.layer, other.accuracy, other.agreement)


def test_it_agrees_with_least_squares_on_monomials(of_modules: tuple[nn.Sequential, Data, Data]) -> None:
    network, train, others = of_modules
    layers = measured(network, train).layers
    found = forecast_cuts(network, layers, train, others, ranks=[3])
    samples, usable = 30 * 64, 30 * 64 - 30 * 64 // 5
    assert found.samples == samples
    for row, layer, cut_at in zip(found.cuts, layers, (2, 4), strict=True):
        x = torch.cat([batch for batch, _ in train])
        unseen, truth = (torch.cat(parts) for parts in zip(*others, strict=True))
        with torch.no_grad():
            z, judged = ((network[:cut_at](part) @ layer.directions[:3].T).double().numpy() for part in (x, unseen))
            logits, wanted = (network(part).double().numpy() for part in (x, unseen))
        coefficients = np.linalg.lstsq(monomials(z), logits, rcond=None)[0]
        more = math.sqrt((1 + 10 / (usable - 11)) / (1 + 10 / (samples - 11)))  # the build holds samples out
        residual = (monomials(judged) @ coefficients - wanted) * more
        assert row.samples_fit == usable
        assert row.explained == pytest.approx(
            1 - np.square(residual).sum() / np.square(wanted - wanted.mean(0)).sum(), abs=1e-6
        )
        answers = (wanted + residual).argmax(1)
        assert row.accuracy == np.mean(answers == truth.numpy())
        assert row.agreement == np.mean(answers == wanted.argmax(1))


def monomials(z: np.ndarray) -> np.ndarray:
    pairs = [z[:, i] * z[:, j] for i in range(z.shape[1]) for j in range(i, z.shape[1])]
    return np.stack([np.ones(len(z)), *z.T, *pairs], axis=1)


def test_costs_are_those_that_cutting_there_has(trained: tuple[GraphNetwork, Data, Data]) -> None:
    network, train, others = trained
    layers = measured(network, train).layers
    for order in (0, 1, 2, 3):
        found = forecast_cuts(network, layers, train, others, order=order, ranks=[2, 5])
        assert len(found.cuts) == 4
        for row in found.cuts:
            counted = forecast(network, row.layer, train[0][0], rank=row.rank, order=order)
            assert (row.pre, row.head, row.overall) == (counted.pre, counted.head, counted.overall)
            assert found.network == counted.network


@pytest.mark.parametrize("place", [0, 1])
def test_what_is_built_comes_out_as_forecast(trained: tuple[GraphNetwork, Data, Data], place: int) -> None:
    network, train, others = trained
    found = forecast_cuts(network, measured(network, train).layers, train, others, ranks=[2, 4])
    for row in [row for row in found.cuts if row.layer == found.places[place].layer]:
        small = ASNet(layer=row.layer, rank=row.rank, epochs=0).compress(network, train).network
        with torch.no_grad():
            right = torch.cat([small(x).argmax(1) == y for x, y in others])
        # two polynomials of other samples and a sketch of other directions; the standard error is 0.8 points
        assert float(right.double().mean()) == pytest.approx(row.accuracy, abs=0.02)


def test_few_samples_foretell_what_many_will_leave() -> None:
    """The residual of a fit to 30 samples, scaled, is that of a fit to thousands; unscaled it is a third larger."""
    chance = torch.Generator().manual_seed(0)

    class Rough(nn.Module):
        """A linear function and what no polynomial follows."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            h = functional.leaky_relu(self.first(x), 0.9)
            return self.last(h) + 2 * torch.sin(1e3 * h)[:, :2]

    def drawn(count: int) -> Data:
        return [(torch.randn(count, 6, generator=chance), torch.randint(2, (count,), generator=chance))]

    torch.manual_seed(0)
    network = capture(Rough(), torch.zeros(2, 6))  # once for all
    many, others = drawn(5000), drawn(5000)
    layers = [
        _with_directions(layer) for layer in measured(network, many).layers if layer.layer.startswith("leaky_relu")
    ]
    assert len(layers) == 1

    def missed(data: Data, available: int) -> float:
        found = forecast_cuts(network, layers, data, others, order=1, ranks=[6], available=available)
        return 1 - found.cuts[0].explained

    true = missed(many, 5000)
    few = [drawn(30) for _ in range(40)]
    assert np.mean([missed(data, 5000) for data in few]) == pytest.approx(true, rel=0.05)
    assert np.mean([missed(data, 37) for data in few]) > 1.25 * true  # a build of as few


def _with_directions(layer: ActiveLayer) -> ActiveLayer:
    """All directions, however the sketch saw them."""
    changed = copy.copy(layer)
    object.__setattr__(changed, "directions", torch.eye(layer.width))
    object.__setattr__(changed, "captured_heldout_by_rank", (1.0,) * layer.width)
    return changed


def test_places_that_data_flow_around_are_left_out() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.inner, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.first(x))
            return self.last(torch.relu(x + torch.tanh(self.inner(x))))

    torch.manual_seed(0)
    network = Residual()
    data = [(torch.randn(40, 6), torch.randint(3, (40,))) for _ in range(10)]
    layers = measured(network, data, rank=3).layers
    found = forecast_cuts(network, layers, data, data, ranks=[2])
    assert [layer.layer for layer in layers] == ["relu", "tanh"]
    assert [place.layer for place in found.places] == ["relu"] == [row.layer for row in found.cuts]


def test_ranks_that_the_samples_cannot_determine_are_left_out(trained: tuple[GraphNetwork, Data, Data]) -> None:
    network, train, others = trained
    found = forecast_cuts(network, measured(network, train).layers, train[:1], others, order=5, ranks=[2, 7])
    assert {row.rank for row in found.cuts} == {2}  # 52 samples: 21 coefficients, but not 56 of three directions
    most = forecast_cuts(network, measured(network, train).layers, train * 4, others, order=25, ranks=[2, 3])
    assert {row.rank for row in most.cuts} == {2}  # 7,680 samples: 351 coefficients, but not 3,276


def test_at_most_five_thousand_samples_judge(trained: tuple[GraphNetwork, Data, Data]) -> None:
    network, train, others = trained
    found = forecast_cuts(network, measured(network, train).layers, train, others * 4, ranks=[2])
    assert found.samples_judging == 5000


def test_the_front_is_what_nothing_beats() -> None:
    chance = np.random.default_rng(0)
    one = Cost(parameters=1, storage_bytes=4, multiply_adds=0)
    rows = [
        CutForecast(
            layer=f"l{place}", index=None, features=9, rank=2, order=2, pre=one,
            head=Cost(parameters=int(p), storage_bytes=4 * int(p), multiply_adds=int(m)),
            captured_heldout=0.5, samples_fit=9, explained=0.5, agreement=0.5, accuracy=int(a) / 10,
        )
        for place, (p, m, a) in enumerate(chance.integers(1, 11, (60, 3)))
    ]  # fmt: skip
    whole = Cost(parameters=8, storage_bytes=32, multiply_adds=9)
    found = CutForecasts(
        network=whole, accuracy=1.0, commonest=0.1, beyond_commonest=9, apart=9, samples=9, samples_judging=9,
        places=(), cuts=tuple(rows),
    )  # fmt: skip
    smaller = [row for row in rows if row.overall.storage_bytes <= 32 and row.overall.multiply_adds < 9]
    unbeaten = {
        (row.overall.multiply_adds, row.accuracy)
        for row in smaller
        if not any(
            other.overall.multiply_adds <= row.overall.multiply_adds
            and other.accuracy >= row.accuracy
            and (other.overall.multiply_adds, other.accuracy) != (row.overall.multiply_adds, row.accuracy)
            for other in smaller
        )
    }
    assert [(row.overall.multiply_adds, row.accuracy) for row in found.front] == sorted(unbeaten)
    for row in found.front:
        equals = [
            other.overall.parameters
            for other in smaller
            if (other.overall.multiply_adds, other.accuracy) == (row.overall.multiply_adds, row.accuracy)
        ]
        assert row.overall.parameters == min(equals)


def test_it_is_compared_with_the_commonest_class_on_the_same_samples(trained: tuple[GraphNetwork, Data, Data]) -> None:
    network, train, others = trained
    found = forecast_cuts(network, measured(network, train).layers, train, others, ranks=[2])
    truth = torch.cat([y for _, y in others])
    with torch.no_grad():
        right = torch.cat([network(x).argmax(1) == y for x, y in others])
    common = truth == truth.mode().values
    assert found.commonest == float(common.double().mean())
    assert found.beyond_commonest == int((right & ~common).sum()) - int((~right & common).sum())
    assert found.apart == int((right ^ common).sum())


def test_without_held_out_gradients_their_share_is_not_known(trained: tuple[GraphNetwork, Data, Data]) -> None:
    network, train, others = trained
    bare = [copy.copy(layer) for layer in measured(network, train).layers]
    for layer in bare:
        object.__setattr__(layer, "captured_heldout_by_rank", ())
    found = forecast_cuts(network, bare, train, others, ranks=[2])
    assert all(math.isnan(row.captured_heldout) for row in (*found.cuts, *found.places))


def test_the_network_stays_as_it_was(of_modules: tuple[nn.Sequential, Data, Data]) -> None:
    network, train, others = of_modules
    before = copy.deepcopy(network.state_dict())
    network.train()
    forecast_cuts(network, measured(network, train).layers, train, others, ranks=[2])
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    network.eval()


def test_outputs_that_are_not_finite_are_refused(of_modules: tuple[nn.Sequential, Data, Data]) -> None:
    network, train, others = of_modules
    layers = measured(network, train).layers
    overflowing = copy.deepcopy(network)
    overflowing[4].weight.data.mul_(1e38).mul_(1e3)  # type: ignore[index, union-attr, operator]
    with pytest.raises(InputError, match="outputs of the network must be finite"):
        forecast_cuts(overflowing, layers, train, others, ranks=[2])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"order": -1}, "order must be at least 0, got -1"),
        ({"ranks": []}, r"ranks must be at least 1 each, got \(\)"),
        ({"ranks": [3, 0]}, r"ranks must be at least 1 each, got \(3, 0\)"),
        ({"judging": []}, "no batch with a sample"),
        ({"judging": [(torch.zeros(2, 10), torch.tensor([0, 4]))]}, "label"),
    ],
)
def test_wrong_input_is_refused(
    trained: tuple[GraphNetwork, Data, Data], changed: dict[str, object], message: str
) -> None:
    network, train, others = trained
    given = {"judging": others, **changed}
    judging = given.pop("judging")
    with pytest.raises(InputError, match=message):
        forecast_cuts(network, measured(network, train).layers, train, judging, **given)  # type: ignore[arg-type]
