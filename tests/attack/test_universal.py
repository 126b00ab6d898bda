"""What every universal attack keeps to, on networks whose answers are known and on a small trained one."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import corank.attack
from corank.attack.universal import Universal, UniversalAttack
from corank.discover import methods_of
from corank.errors import InputError

from .nets import digits

METHODS = methods_of(corank.attack, UniversalAttack)
SEARCHING = [name for name in METHODS if name != "random-direction"]
QUICK: dict[str, Any] = {"passes": 3, "steps": 20, "probe_steps": 4, "final_steps": 6, "iterations": 5}


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def quick(name: str, **options: Any) -> UniversalAttack:
    known = {field.name for field in dataclasses.fields(METHODS[name])}
    small = {option: value for option, value in QUICK.items() if option in known}
    return METHODS[name](**{"radius": 2.0, **small, **options})


def found(name: str, *, dtype: torch.dtype = torch.float32, **options: Any) -> Universal:
    network, x, y = digits()
    called = {one: options.pop(one) for one in ("heldout", "bounds", "start", "told") if one in options}
    network = network if dtype == torch.float32 else twin(network).to(dtype)
    return quick(name, **options).attack(network, x[:60].to(dtype), y[:60], **called)


def twin(network: nn.Sequential) -> nn.Sequential:
    copy = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).eval()
    copy.load_state_dict(network.state_dict())
    return copy


def test_the_room_holds_the_methods_of_the_field() -> None:
    assert set(METHODS) == {
        "auto", "random-direction", "recursive-subspace", "singular-vectors", "sink-class", "stochastic-aggregation",
        "stochastic-gradient", "universal-deepfool",
    }  # fmt: skip


def one_class() -> tuple[nn.Sequential, Tensor, Tensor, Tensor]:
    """Two linear logits along w, and samples of the first class between 0.1 and 3 from the boundary."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(36, generator=generator, dtype=torch.float64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 2, bias=False)).double().eval()
    network[1].weight.data.copy_(torch.stack([w, -w]))
    x = torch.randn(40, 36, generator=generator, dtype=torch.float64)
    distances = torch.linspace(0.1, 3, 40, dtype=torch.float64)
    x += (distances - x @ w / w.norm())[:, None] * w / w.norm()
    return network, x.reshape(40, 1, 6, 6), torch.zeros(40, dtype=torch.long), w


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", SEARCHING)
def test_on_a_linear_network_the_direction_is_the_best_there_is(name: str, norm: str) -> None:
    network, x, y, w = one_class()
    best = -w / w.norm() if norm == "l2" else -w.sign()
    radius = 1.0 if norm == "l2" else float(w.norm() / w.abs().sum())  # either reaches 1 along w
    v = quick(name, norm=norm, radius=radius).attack(network, x, y).vector.flatten()
    torch.testing.assert_close(v / v.norm(), best / best.norm(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SEARCHING)
def test_on_a_linear_network_all_within_reach_are_fooled(name: str) -> None:
    network, x, y, _ = one_class()
    result = quick(name, radius=1.0).attack(network, x, y)
    reach = float((torch.linspace(0.1, 3, 40) < 1.0).double().mean())
    assert (
        result.train.fooled >= reach - 1 / 40
    )  # the one next to the boundary may need more than an ascent's last step
    assert result.train.fooled <= reach + 1e-12


@pytest.mark.parametrize("name", SEARCHING)
def test_a_random_direction_is_beaten(name: str) -> None:
    _, x, y = digits()
    result = found(name, heldout=(x[60:], y[60:]))
    chance = found("random-direction", heldout=(x[60:], y[60:]))
    assert result.train.fooled > chance.train.fooled
    assert result.heldout is not None
    assert chance.heldout is not None
    assert result.heldout.fooled >= chance.heldout.fooled


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_budget_is_kept(name: str, norm: str, dtype: torch.dtype) -> None:
    radius = 2.0 if norm == "l2" else 0.3
    v = found(name, dtype=dtype, norm=norm, radius=radius).vector.double()
    assert v.dtype == torch.float64
    assert float(v.norm() if norm == "l2" else v.abs().max()) <= radius * (1 + 1e-6)


def test_what_is_reported_is_what_the_network_says(name: str) -> None:
    network, x, y = digits()
    x, y = x[:60], y[:60]
    result = found(name, bounds=(0.0, 1.0))
    with torch.no_grad():
        before, after = network(x).argmax(1), network((x + result.vector).clamp(0, 1)).argmax(1)
    right = before == y
    assert result.train.fooled == pytest.approx(float((before != after).double().mean()))
    assert result.train.fooled_of_right == pytest.approx(float((before != after)[right].double().mean()))
    assert result.train.errors == pytest.approx(float((after != y).double().mean()))
    assert result.train.errors_before == pytest.approx(float((~right).double().mean()))
    assert list(result.train.into) == torch.bincount(after, minlength=10).tolist()


def test_the_same_seed_finds_the_same(name: str) -> None:
    one, other = found(name, seed=3), found(name, seed=3)
    assert torch.equal(one.vector, other.vector)
    assert [(step.gradients, step.forward, step.fooled) for step in one.steps] == [
        (step.gradients, step.forward, step.fooled) for step in other.steps
    ]


def test_the_network_and_the_images_come_back_as_they_were(name: str) -> None:
    network, x, y = digits()
    network = twin(network)
    before, images, state = [one.clone() for one in network.parameters()], x.clone(), torch.get_rng_state()
    quick(name).attack(network, x[:60], y[:60])
    assert all(torch.equal(one, other) for one, other in zip(before, network.parameters(), strict=True))
    assert all(one.grad is None for one in network.parameters())
    assert torch.equal(x, images)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_target_draws_the_inputs(name: str) -> None:
    network, x, _ = digits()
    with torch.no_grad():
        before = int((network(x[:60]).argmax(1) == 3).sum())
    result = found(name, target=3, radius=3.0)
    assert result.train.into[3] >= before + (10 if name in SEARCHING and name != "singular-vectors" else 0)
    assert result.steps[-1].fooled == pytest.approx(result.train.into[3] / 60)


def test_one_class_alone_is_attacked(name: str) -> None:
    network, x, y = digits()
    result = quick(name).attack(network, x[y == 1], y[y == 1])
    assert result.train.samples == int((y == 1).sum())


def test_a_network_that_sees_nothing_is_not_fooled(name: str) -> None:
    network, x, y = digits()
    network = twin(network)
    for one in network.parameters():
        torch.nn.init.zeros_(one)
    result = quick(name).attack(network, x[:20], y[:20])
    assert result.train.fooled == 0
    assert torch.isfinite(result.vector).all()


def test_it_stops_with_enough(name: str) -> None:
    result = found(name, enough=0.05)
    whole = found(name)
    if whole.train.fooled >= 0.05:
        assert result.train.fooled >= 0.05
        assert result.converged
        assert "enough" in result.message
    assert result.gradients <= whole.gradients


@pytest.mark.parametrize("most", [1, 70, 500])
def test_no_more_gradients_are_taken_than_allowed(name: str, most: int) -> None:
    result = found(name, most_gradients=most)
    assert result.gradients <= most
    if found(name).gradients > most:
        assert not result.converged
        assert f"of {most} sample-gradients" in result.message


def test_steps_are_told_as_they_are_reported(name: str) -> None:
    told: list[tuple[Any, Tensor]] = []
    result = found(name, told=lambda step, best: told.append((step, best.clone())))
    assert tuple(step for step, _ in told) == result.steps
    assert torch.equal(told[-1][1], result.vector)
    assert all(one.gradients <= other.gradients and one.fooled <= other.fooled and one.seconds <= other.seconds
               for one, other in zip(result.steps, result.steps[1:], strict=False))  # fmt: skip
    assert (result.gradients, result.train.fooled) == (result.steps[-1].gradients, result.steps[-1].fooled)


def test_an_interrupted_search_goes_on_from_the_best_it_was_told(name: str) -> None:
    kept: list[Tensor] = []

    def told(step: object, best: Tensor) -> None:
        kept.append(best.clone())
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found(name, told=told)
    shares = [found(name, start=one, most_gradients=1).train.fooled for one in kept]
    assert found(name, start=kept[-1]).train.fooled >= max(shares)


def test_a_longer_start_is_brought_within_the_radius(name: str) -> None:
    start = found(name, radius=4.0).vector
    result = found(name, radius=1.0, start=start)
    assert float(result.vector.norm()) <= 1.0 + 1e-6


def test_the_result_is_data(name: str) -> None:
    _, x, y = digits()
    result = found(name, heldout=(x[60:], y[60:]))
    told = json.loads(json.dumps(result.to_dict()))
    assert "vector" not in told
    assert told["budget"] == {"norm": "l2", "radius": 2.0}
    assert result.row()["fooled heldout"] == told["heldout"]["fooled"]


def numbers(method: type[UniversalAttack]) -> list[tuple[str, Any]]:
    """Every numeric option with what it must refuse."""
    free = {"seed", "target"}
    wrong: list[tuple[str, Any]] = []
    for field in dataclasses.fields(method):
        if field.name in free or not any(kind in str(field.type) for kind in ("int", "float")):
            continue
        if field.name != "layer":
            wrong += [(field.name, -1), (field.name, float("nan"))]
            wrong += [] if field.name in ("momentum", "shift") else [(field.name, 0)]
    return wrong


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [(name, option, value) for name, method in METHODS.items() for option, value in numbers(method)],
)
def test_senseless_numbers_are_refused(name: str, option: str, value: Any) -> None:
    with pytest.raises(InputError, match=option) as caught:
        METHODS[name](**{"radius": 1.0, option: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("recursive-subspace", {"on": "cube"}),
        ("recursive-subspace", {"norm": "l1"}),
        ("stochastic-aggregation", {"batch": 10, "small_batch": 11}),
        ("stochastic-gradient", {"momentum": 1.0}),
        ("stochastic-gradient", {"enough": 1.5}),
        ("singular-vectors", {"q": 0.5}),
        ("sink-class", {"steps": 2.5}),
        ("sink-class", {"shift": 0.5}),
    ],
)
def test_other_senseless_options_are_refused(method: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        METHODS[method](**{"radius": 1.0, **options})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": 10}, "target"),
        ({"start": torch.zeros(3)}, "shape of one image"),
        ({"start": torch.full((1, 8, 8), torch.nan)}, "start must be finite"),
        ({"bounds": (0.0, 0.5)}, "bounds"),
        ({"heldout": (torch.full((1, 1, 8, 8), torch.nan), torch.tensor([0]))}, "finite"),
        ({"heldout": (torch.zeros(1, 1, 8, 8), torch.tensor([10]))}, "label 10"),
        ({"heldout": (torch.full((1, 1, 8, 8), 2.0), torch.tensor([1])), "bounds": (0.0, 1.0)}, "bounds"),
    ],
)
def test_wrong_input_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        found("recursive-subspace", **changed)
    assert "\n" not in str(caught.value)
