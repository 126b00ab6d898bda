"""The whole audit: masks are flagged, honest networks not; what it says is true of the network that it was given."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.attack.audit import Audited, audit
from corank.attack.audit.running import QUESTIONS
from corank.attack.descent import Steps
from corank.errors import InputError

from ..masks import MASKS, TRAINED_AT, masked, split, trained
from .asking import honest

SMALL: dict[str, Any] = {"subsample": 50, "queries": 50}


def images(count: int) -> tuple[Tensor, Tensor]:
    _, _, x, y = split(0)
    return x[:count], y[:count]


def few(network: nn.Module, **options: Any) -> Audited:
    """An audit of seconds."""
    quick = {"subsample": 20, "queries": 20, "attack": Steps(steps=8), **options}
    return audit(network, *images(60), radius=TRAINED_AT, **quick)


@pytest.mark.parametrize("is_adversarial", [False, True])
def test_honest_networks_pass(is_adversarial: bool) -> None:
    network = trained("mlp", 0, is_adversarial, epochs=10)
    found = audit(network, *images(150), radius=TRAINED_AT, sources=[honest(), honest(1)], **SMALL)
    assert found.verdict == "passed", found.flagged
    assert found.name == "robust accuracy"
    assert [row.number for row in found.rows if row.verdict == "not run"] in ([20], [13, 20])


@pytest.mark.parametrize("mask", list(MASKS))
def test_masks_are_flagged_and_may_not_be_called_robust(mask: str) -> None:
    network = masked(mask, honest())
    found = audit(network, *images(150), radius=TRAINED_AT, **SMALL)
    assert found.verdict == "flagged"
    assert found.name == "accuracy under attack"
    assert "robust" not in str(found)
    assert {row.number for row in found.flagged} & {"logits x 100": {6}, "rounded input": {4}}.get(mask, {2})


def test_what_stands_is_classified_rightly_and_counted() -> None:
    network, (x, y) = honest(), images(60)
    found = few(network)
    right = network(x).argmax(1) == y
    assert found.accuracy == float(right.double().mean())
    assert not (found.standing & ~right).any()
    assert found.under_attack == float(found.standing.double().mean())
    assert found.low <= found.under_attack <= found.high
    assert found.gradients > 0
    assert found.forward > 0


def test_all_that_is_broken_is_broken_within_the_budget() -> None:
    """Of a linear network with two classes the distance to the boundary is known, |margin| / |w|_1."""
    linear = nn.Linear(4, 2)
    network = nn.Sequential(nn.Flatten(), linear).eval()
    x = torch.rand(80, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    logits = network(x).detach()
    distances = (logits[:, 0] - logits[:, 1]).abs() / (linear.weight[0] - linear.weight[1]).detach().abs().sum()
    radius = float(distances.median())
    apart = (distances - radius).abs() > 1e-3 * radius  # at the radius itself rounding decides
    found = audit(network, x, logits.argmax(1), radius=radius, bounds=None, subsample=40)
    assert torch.equal(found.standing[apart], (distances > radius)[apart])


@pytest.mark.parametrize("mask", ["", "randomised input"])
def test_a_seed_gives_one_result_whatever_was_drawn_before(mask: str) -> None:
    network = masked(mask, honest()) if mask else honest()
    torch.manual_seed(1)
    first = few(network)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = few(network)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.rows == second.rows
    assert torch.equal(first.standing, second.standing)


def test_progress_hears_the_name_of_every_test() -> None:
    heard: list[str] = []
    few(honest(), progress=heard.append)
    assert sorted(heard) == sorted(question.name for question in QUESTIONS)


def test_training_mode_is_a_flag_and_comes_back() -> None:
    network = nn.Sequential(honest(), nn.Dropout(0.5))
    network.train()
    network[0].eval()
    found = few(network)
    assert [row.number for row in found.flagged] == [1]
    assert (network.training, network[0].training, network[1].training) == (True, False, True)


def test_images_outside_the_bounds_are_a_flag_and_clipped() -> None:
    x, y = images(60)
    found = audit(honest(), 2 * x, y, radius=0.01, subsample=10, queries=10)
    assert 1 in [row.number for row in found.flagged]
    assert found.rows[0].measure == "images outside the bounds"


def test_the_network_and_its_sources_come_back_without_gradients() -> None:
    network, source = honest(), honest(1)
    before = [value.clone() for one in (network, source) for value in one.state_dict().values()]
    few(network, sources=[source])
    after = [value for one in (network, source) for value in one.state_dict().values()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(parameter.grad is None for one in (network, source) for parameter in one.parameters())


def test_the_result_is_json_with_a_row_for_every_test() -> None:
    found = json.loads(json.dumps(few(honest()).to_dict()))
    assert found["verdict"] in ("passed", "flagged")
    assert [row["number"] for row in found["rows"]] == list(range(1, 21))
    assert {"test", "number", "value", "threshold", "verdict", "note"} <= set(found["rows"][0])
    assert {row["verdict"] for row in found["rows"]} <= {"passed", "flagged", "not run"}


def test_a_number_on_the_wrong_side_of_its_threshold_is_what_the_row_shows() -> None:
    found = few(masked("rounded input", honest()), attack=Steps(steps=10, step_size=0.01))
    assert [row.number for row in found.flagged]
    for row in found.flagged:
        assert row.value is not None
        assert row.threshold is not None
        assert row.value < row.threshold if row.flagged_if == "below" else row.value > row.threshold


def test_l2_and_two_classes_and_no_bounds_run() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval()
    x, _ = images(60)
    found = audit(network, x, network(x).argmax(1), radius=0.1, norm="l2", bounds=None, subsample=20)
    assert found.verdict == "passed", found.flagged
    assert found.rows[12].verdict == "not run"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 0.0}, "radius must be positive and finite, got 0.0"),
        ({"norm": "l1"}, "norm must be one of l2, linf, got 'l1'"),
        ({"bounds": (1.0, 0.0)}, "bounds must be a smaller and a larger number"),
        ({"subsample": 0}, "subsample must be a whole number of at least 1, got 0"),
        ({"queries": 0}, "queries must be a whole number of at least 1, got 0"),
        ({"sources": [nn.Sequential(nn.Flatten(), nn.Linear(64, 3))]}, "is outside 0 .. 2"),
        ({"sources": [nn.Sequential(nn.Flatten(), nn.Linear(64, 12))]}, "sources of 10 classes"),
        ({"images": torch.full((60, 1, 8, 8), torch.inf)}, "images must be finite"),
        ({"images": torch.zeros(0, 1, 8, 8)}, "expected as many images as labels and at least one"),
        ({"labels": torch.full((60,), 10)}, "label 10 is outside 0 .. 9"),
    ],
)
def test_wrong_input_is_refused(options: dict[str, Any], message: str) -> None:
    x, y = images(60)
    given = {"images": x, "labels": y, "radius": 0.1, **options}
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        audit(honest(), **given)
