"""What every attack on single inputs keeps to, whatever it does."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import corank.attack
from corank.attack import BoundedAttack, Examples, SampleAttack
from corank.discover import methods_of
from corank.errors import InputError

from ..attack.nets import linear, short_auto_attack
from .methods import Snapshot, numeric_options, timeless

ATTACKS = methods_of(corank.attack, SampleAttack)
OPTIONS: dict[str, Any] = {"radius": 0.1, "queries": 30, "balances": 3, "steps": 5, "step_size": 0.04}
DTYPES = (torch.float32, torch.float64)
NO_BOUNDS = {"carlini-wagner", "square", "auto-attack"}
"""Attacks of outside libraries, which know no inputs without bounds."""


@pytest.fixture(params=list(ATTACKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["l2", "linf"])
def norm(request: pytest.FixtureRequest, name: str) -> str:
    if name == "carlini-wagner" and request.param == "linf":
        pytest.skip("the attack knows l2 alone")
    return str(request.param)


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    with short_auto_attack(5):
        yield


def smallest(name: str, **changed: Any) -> SampleAttack:
    method = ATTACKS[name]
    known = {field.name: OPTIONS[field.name] for field in dataclasses.fields(method) if field.name in OPTIONS}
    return method(**{**known, **changed})


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    """With all that an attack could disturb: batch norm, dropout, gradients, frozen parameters, hooks."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(), nn.Linear(48, 4)
        ).to(dtype)
        made(torch.rand(30, 1, 6, 6, dtype=dtype))
    made[5].weight.grad = torch.ones_like(made[5].weight)
    made[0].bias.requires_grad_(False)
    made[2].register_forward_hook(lambda *_: None)
    return made.eval()


def samples(dtype: torch.dtype = torch.float32, *, wrong: int = 2) -> tuple[Tensor, Tensor]:
    """Ten images, whose pixels at the bounds among them, and labels of which some are wrong."""
    x = torch.rand(10, 1, 6, 6, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    x = (1.2 * x - 0.1).clamp(0, 1).to(dtype)
    with torch.no_grad():
        y = network(dtype)(x).argmax(1)
    y[:wrong] = (y[:wrong] + 1) % 4
    return x, y


@cache
def shared(name: str, norm: str, dtype: torch.dtype) -> Examples:
    return smallest(name, norm=norm).attack(network(dtype), *samples(dtype))


def test_the_room_is_not_empty() -> None:
    assert {"fgsm", "pgd", "deepfool"} <= set(ATTACKS)


def test_it_is_a_frozen_dataclass_with_a_line_for_readers(name: str) -> None:
    method = ATTACKS[name]
    assert method.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert getattr(corank.attack, method.__name__) is method
    assert method.__name__ in corank.attack.__all__
    told = "".join(kind.__doc__ or "" for kind in method.__mro__ if kind is not object)
    for field in dataclasses.fields(method):
        assert field.kw_only
        assert f"{field.name}:" in told, f"the option {field.name} is not described"


@pytest.mark.parametrize("dtype", DTYPES)
def test_examples_keep_to_the_bounds_and_the_budget(name: str, norm: str, dtype: torch.dtype) -> None:
    x, _ = samples(dtype)
    found = shared(name, norm, dtype)
    assert found.inputs.dtype == dtype
    assert found.inputs.shape == x.shape
    assert 0 <= float(found.inputs.min()) <= float(found.inputs.max()) <= 1
    moved = (found.inputs.double() - x.double()).flatten(1)
    lengths = moved.norm(dim=1) if norm == "l2" else moved.abs().amax(1)
    assert torch.allclose(found.lengths, lengths, rtol=1e-12)
    if isinstance(smallest(name), BoundedAttack):
        assert found.radius == 0.1
        assert float(lengths.max()) <= 0.1
        assert float(lengths.max()) > 0.05, "nothing was tried"


@pytest.mark.parametrize("scale", [255.0, 1e-3])
def test_the_budget_is_kept_where_numbers_are_large_or_small(name: str, scale: float) -> None:
    x, y = samples()
    if isinstance(smallest(name), BoundedAttack):
        inner = network()
        scaled = nn.Sequential(Scaled(1 / scale), inner).eval()
        found = smallest(name, radius=0.1 * scale).attack(scaled, x * scale, y, bounds=(0.0, float((x * scale).max())))
        assert float(found.lengths.max()) <= 0.1 * scale


class Scaled(nn.Module):
    """Inputs times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_it_says_is_what_the_network_says(name: str, norm: str, dtype: torch.dtype) -> None:
    found, (x, y) = shared(name, norm, dtype), samples(dtype)
    with torch.no_grad():
        assert torch.equal(found.classes, network(dtype)(found.inputs).argmax(1))
        assert torch.equal(found.clean, network(dtype)(x).argmax(1))
    assert found.accuracy == float((found.classes == y).double().mean())
    assert torch.equal(found.distances < math.inf, found.classes != y)


def test_it_is_quiet_about_samples_that_are_wrong_from_the_start(name: str, norm: str) -> None:
    found, (x, _) = shared(name, norm, torch.float32), samples()
    assert torch.equal(found.inputs[:2], x[:2])
    assert found.lengths[:2].tolist() == [0.0, 0.0]
    assert found.accuracy_before == 0.8
    everything_wrong = smallest(name).attack(network(), *samples(wrong=10))
    assert torch.equal(everything_wrong.inputs, x)
    assert (everything_wrong.accuracy, everything_wrong.fooled_of_right, everything_wrong.gradients) == (0.0, None, 0)


def test_the_network_comes_back_as_it_was(name: str, norm: str) -> None:
    for freeze in (False, True):
        net = network().requires_grad_(not freeze)
        before = Snapshot.of(net)
        smallest(name, norm=norm).attack(net, *samples())
        assert Snapshot.of(net) == before


def test_source_and_images_come_back_as_they_were(name: str) -> None:
    (x, y), source = samples(), linear(4, dtype=torch.float32)
    before, images = Snapshot.of(source), x.clone()
    found = smallest(name).attack(network(), x, y, source=source)
    assert Snapshot.of(source) == before
    assert torch.equal(x, images)
    assert found.inputs is not x


def test_the_same_seed_gives_the_same_result_whatever_chance_does_elsewhere(name: str, norm: str) -> None:
    one = shared(name, norm, torch.float32)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    two = smallest(name, norm=norm).attack(network(), *samples())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.inputs, two.inputs)
    assert timeless(one.to_dict()) == timeless(two.to_dict())


def test_a_result_is_a_row_a_dictionary_and_a_text(name: str) -> None:
    found = shared(name, "l2", torch.float32)
    made = found.to_dict()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert found.row()["attack"] == name
    assert "\n" not in str(found)
    assert found.gradients + found.forward > 0


def test_nothing_is_printed(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    smallest(name).attack(network(), *samples())
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_an_option_out_of_range_is_refused_at_once_with_its_value(name: str) -> None:
    for option, kind in numeric_options(ATTACKS[name]).items():
        for wrong in (-1,) if kind is int else (0.0, -1.0, math.nan, math.inf):
            if (option, wrong) == ("shrinking", 0.0):
                continue  # none is a choice
            with pytest.raises(InputError, match=rf"{option}\b.* got {wrong}$") as caught:
                smallest(name, **{option: wrong})
            assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"norm must be .* got 'l3'"):
        smallest(name, norm="l3")


def test_inputs_that_cannot_be_attacked_are_refused_and_leave_no_trace(name: str) -> None:
    (x, y), attack = samples(), smallest(name)
    wrong: list[tuple[str, Tensor, Tensor, dict[str, Any]]] = [
        ("images must be finite", x / 0, y, {}),
        ("within the bounds", x + 1, y, {}),
        ("within the bounds", x, y, {"bounds": (0.4, 0.6)}),
        ("label 7 is outside", x, torch.full_like(y, 7), {}),
        ("at least one, got 0", x[:0], y[:0], {}),
        ("as many images as labels", x, y[:3], {}),
        ("training mode", x, y, {"source": linear(4, dtype=torch.float32).train()}),
    ]
    for told, images, labels, more in wrong:
        net = network()
        before = Snapshot.of(net)
        with pytest.raises(InputError, match=told):
            attack.attack(net, images, labels, **more)
        assert Snapshot.of(net) == before


def test_targets_are_reached_or_refused(name: str) -> None:
    (x, y), attack = samples(), smallest(name)
    targets = (y + 1) % 4
    if not attack.takes_targets:
        with pytest.raises(InputError, match=f"targets cannot be given to {name}"):
            attack.attack(network(), x, y, targets=targets)
        return
    for wrong, told in ((torch.full_like(y, 4), "label 4 is outside"), (targets[:3], "one target a sample, got 3")):
        with pytest.raises(InputError, match=told):
            attack.attack(network(), x, y, targets=wrong)
    targets[0] = network()(x[:1]).argmax(1)
    large = {"radius": 0.9} if isinstance(attack, BoundedAttack) else {}
    found = smallest(name, **large).attack(network(), x, y, targets=targets)
    assert torch.equal(found.succeeded, found.classes == targets)
    assert torch.equal(found.inputs[0], x[0]), "it is in its target from the start"
    assert int(found.succeeded.sum()) > 1


def test_without_bounds_inputs_may_lie_anywhere(name: str) -> None:
    x, y = samples()
    if name in NO_BOUNDS:
        with pytest.raises(InputError, match="needs the bounds of the inputs, got None"):
            smallest(name).attack(network(), x, y, bounds=None)
        return
    found = smallest(name).attack(network(), x, y, bounds=None)
    assert bool(((found.inputs < 0) | (found.inputs > 1)).any())


def test_black_box_examples_are_made_on_the_source_and_judged_by_the_network(name: str) -> None:
    x, y = samples(wrong=0)
    source = linear(4, dtype=torch.float32)
    found = smallest(name).attack(network(), x, y, source=source)
    assert torch.equal(found.classes, network()(found.inputs).argmax(1))
    unlike = smallest(name).attack(network(), x, y)
    assert not torch.equal(found.inputs, unlike.inputs)
