"""A budget is said, the network within it comes back: accounts, choice, reasons and what cannot be done."""

from __future__ import annotations

import copy
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.compress import Auto, Budgeted
from corank.compress.auto import _grown
from corank.compress.race import allowance as clock
from corank.compress.race import settling
from corank.compress.race.entry import Entry
from corank.compress.race.runner import Runner
from corank.errors import InputError
from corank.network import Cost, GraphNetwork, capture, cost
from corank.train import Checkpoint, accuracy

from ..contracts.methods import Snapshot, leaves, timeless
from .images import Turned
from .race.networks import data, network, trained, validation

SHAPE = (1, 8, 8)


@cache
def graph(kind: str = "mlp") -> GraphNetwork:
    """A network, captured once for all."""
    return capture(trained(kind), data()[0][0])


@cache
def made(kind: str = "mlp", **options: Any) -> Budgeted:
    settings: dict[str, Any] = {"trial_steps": 2, "epochs": 1, **options}
    return Auto(**settings).compress(graph(kind), data(), validation=validation())


def test_the_networks_own_count_is_within_the_budget() -> None:
    for kind, small in (("mlp", made(target="macs=3x")), ("cnn", made("cnn", target="params=2x"))):
        own, whole = cost(small.network, SHAPE), cost(trained(kind), SHAPE)
        assert small.target is not None
        assert small.reached == small.target.amount(own)
        assert small.limit == small.target.amount(whole) / small.target.limit
        assert small.reached <= small.limit
        assert small.meets
        assert small.overall == own == small.chosen.cost


def test_with_widths_of_any_number_the_budget_is_met_within_two_hundredths() -> None:
    small = made(target="macs=2.5x", multiple=1)
    assert small.reached is not None
    assert small.limit is not None
    assert 0.98 * small.limit <= small.reached <= small.limit


def test_the_chosen_is_one_of_the_candidates_and_the_reason_names_it() -> None:
    for small in (made(target="macs=3x"), made(max_drop=3.0)):
        assert small.chosen in small.candidates
        assert small.chosen.name in small.reason
        assert [one.judged for one in small.candidates] == sorted(
            (one.judged for one in small.candidates), reverse=True
        )
        keys = [(one.method, one.layer, one.sizes) for one in small.candidates]
        assert len(keys) == len(set(keys))
        assert small.goal["meets"] is small.meets


def test_what_is_returned_was_trained_from_what_was_fitted() -> None:
    small = made(target="macs=3x")
    assert small.training is not None
    assert small.fitted is not None
    assert len(small.training.rows) == 1
    assert small.training.rows[-1].validation_accuracy == accuracy(small.network, validation())
    assert cost(small.fitted, SHAPE) == small.overall
    untrained = made(target="macs=3x", epochs=0)
    assert untrained.training is None
    assert untrained.fitted is None


def test_without_trials_candidates_are_compared_as_they_are() -> None:
    small = made(target="macs=3x", trial_steps=0)
    assert all(one.trial_accuracy is None for one in small.candidates)
    assert "before any training" in small.reason


def test_the_callers_network_comes_back_as_it_was() -> None:
    own = network("mlp").train()
    before = Snapshot.of(own)
    Auto(target="macs=3x", trial_steps=1, epochs=1).compress(own, data())
    assert Snapshot.of(own) == before
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("options", [{"target": "macs=3x"}, {"max_drop": 3.0, "trainings": 2}])
def test_one_seed_gives_one_result(options: dict[str, Any]) -> None:
    again = Auto(**{"trial_steps": 2, "epochs": 1, **options}).compress(graph(), data(), validation=validation())
    first = made(**options)
    assert timeless(again.to_dict()) == timeless(first.to_dict())
    pairs = zip(again.network.parameters(), first.network.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


class Stopped(Exception):
    """What stands for the user's Ctrl-C."""


@cache
def in_several_trainings() -> tuple[Auto, Budgeted]:
    method = Auto(max_drop=2.0, trainings=2, trial_steps=1, epochs=2)
    return method, method.compress(graph(), Turned(data()), validation=validation())


@pytest.mark.parametrize("saves", [1, 3])
def test_several_trainings_that_were_stopped_go_on_to_the_same_bits(
    saves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, whole = in_several_trainings()
    save, left = Checkpoint.save, [saves]

    def stop(self: Checkpoint, *rest: Any) -> None:
        save(self, *rest)
        left[0] -= 1
        if not left[0]:
            raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", stop)
        with pytest.raises(Stopped):
            method.compress(graph(), Turned(data()), validation=validation(), checkpoint=tmp_path)
    found = method.compress(graph(), Turned(data()), validation=validation(), checkpoint=tmp_path)
    assert timeless(found.to_dict()) == timeless(whole.to_dict())
    tensors = [[leaf for leaf in leaves(one) if isinstance(leaf, Tensor)] for one in (found, whole)]
    assert all(torch.equal(*pair) for pair in zip(*tensors, strict=True))


def test_a_small_loss_is_kept_and_a_larger_one_buys_a_smaller_network() -> None:
    original = accuracy(trained("mlp"), validation())
    amounts = []
    for allowed in (1.0, 30.0):
        small = made(max_drop=allowed)
        assert small.meets
        assert 100 * (original - accuracy(small.network, validation())) <= allowed
        assert small.target is None
        assert small.limit is None
        assert small.reached is None
        assert f"where a loss of {allowed:g} is allowed" in small.reason
        amounts.append(small.overall.multiply_adds)
    assert amounts[1] < amounts[0]


def test_a_loss_that_none_keeps_is_said_with_how_near_each_came() -> None:
    small = Auto(
        max_drop=0.0, trial_steps=1, epochs=1, trainings=2, pre_rate=1.0, prune_rate=1.0, head_rate=1.0
    ).compress(graph(), data(), validation=validation())
    assert not small.meets
    assert small.reason.count("multiply-adds") == 2
    assert "no candidate that was trained loses at most 0 points" in small.reason


def test_with_a_budget_and_a_loss_others_are_trained_until_one_keeps_both() -> None:
    small = made(target="macs=4x", max_drop=0.0, trainings=2, head_rate=1.0, pre_rate=1.0, prune_rate=1.0)
    assert not small.meets
    assert small.reason.count("multiply-adds") == 2
    assert small.reached is not None
    assert small.limit is not None
    assert small.reached <= small.limit
    kept = made(target="macs=2x", max_drop=50.0)
    assert kept.meets
    assert kept.reason.count("multiply-adds") == 2  # once as the one that is taken, once among those trained


def test_without_torch_pruning_the_race_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    small = Auto(target="macs=3x", trial_steps=0, epochs=0).compress(graph(), data())
    assert {one.method for one in small.candidates} <= {"ASNet", "RON"}
    assert "pip install 'corank[prune]'" in small.message


def use_clock(monkeypatch: pytest.MonkeyPatch, noise: Iterator[float]) -> None:
    """A clock by which a network takes a microsecond a thousand multiply-adds, with noise."""

    def medians_ms(networks: Mapping[str, nn.Module], example: Tensor, seconds: float = 0.0) -> dict[str, float]:
        off = next(noise)
        return {name: off * cost(one, example.shape[1:]).multiply_adds / 1e3 for name, one in networks.items()}

    monkeypatch.setattr(clock, "medians_ms", medians_ms)
    monkeypatch.setattr(settling, "medians_ms", medians_ms)


@pytest.mark.parametrize("target", ["latency-ms=2.5x", "latency-ms=5"])
def test_a_latency_is_kept_and_the_next_larger_network_exceeds_it(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_clock(monkeypatch, itertools.repeat(1.0))
    small = Auto(target=target, trial_steps=1, epochs=0).compress(graph(), data(), validation=validation())
    assert small.reached is not None
    assert small.limit is not None
    assert small.reached == small.chosen.latency_ms == cost(small.network, SHAPE).multiply_adds / 1e3
    assert small.reached <= small.limit
    assert f"one sample takes {small.reached:.3g} ms" in small.reason
    following = float(small.reason.split("of its kind ")[1].split(" ms")[0])
    assert following > small.limit


def test_of_those_that_were_timed_the_best_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    use_clock(monkeypatch, itertools.cycle([0.6, 1.0, 1.5, 0.8, 1.2]))
    tried: list[float] = []

    def later_is_better(_: Runner, entry: Entry, steps: int, label: str) -> Entry:
        tried.append(0.5 + 0.1 * len(tried))
        return replace(entry, candidate=replace(entry.candidate, trial_accuracy=tried[-1]))

    monkeypatch.setattr(Runner, "tried", later_is_better)
    small = Auto(target="latency-ms=2.5x", trial_steps=1, epochs=0).compress(graph(), data(), validation=validation())
    timed = [one for one in small.candidates if one.trial_accuracy is not None]
    assert len(timed) == len(tried) > 1
    assert small.chosen.judged == tried[-1]
    assert all(one.fits and one.latency_ms <= small.limit for one in timed)


def test_a_budget_that_nothing_reaches_is_refused_with_how_near_each_method_comes() -> None:
    with pytest.raises(InputError, match=r"no method here reaches macs=1000x, at most .* RON .* pruning ") as caught:
        made(target="macs=1000x")
    assert "\n" not in str(caught.value)
    assert "allow more" in str(caught.value)


@pytest.mark.parametrize("target", ["macs=1e9", "storage-mb=5"])
def test_a_budget_that_is_kept_already_is_refused(target: str) -> None:
    with pytest.raises(InputError, match=r"keeps the budget .* as it is.*allow less"):
        made(target=target)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "neither"),
        ({"target": "mac=3x"}, "did you mean macs"),
        ({"target": "macs=0.5x"}, "'0.5x'"),
        ({"max_drop": -1.0}, "-1.0"),
        ({"max_drop": float("nan")}, "nan"),
        ({"target": "macs=2x", "multiple": 0}, "multiple .* 0"),
        ({"target": "macs=2x", "trial_steps": -1}, "trial_steps .* -1"),
        ({"target": "macs=2x", "trainings": 0}, "trainings .* 0"),
        ({"target": "macs=2x", "epochs": -1}, "epochs .* -1"),
        ({"target": "macs=2x", "beta": 1.5}, "beta .* 1.5"),
        ({"target": "macs=2x", "head_rate": 0.0}, "head_rate .* 0.0"),
        ({"target": "macs=2x", "pre_rate": float("inf")}, "pre_rate .* inf"),
        ({"target": "macs=2x", "prune_rate": -1.0}, "prune_rate .* -1.0"),
    ],
)
def test_options_out_of_range_are_refused_in_one_line(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        Auto(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "options", "expected"),
    [
        (lambda net: net, {"max_drop": 1.0}, "samples that took no part in training: give validation batches"),
        (lambda net: net.half(), {"target": "macs=3x"}, r"float32 or torch.float64, got torch.float16 in .*float\(\)"),
        (lambda net: net.requires_grad_(False), {"target": "macs=3x"}, "no parameter .* requires a gradient"),
    ],
)
def test_what_cannot_end_well_is_refused_before_the_work(
    change: Callable[[nn.Module], nn.Module], options: dict[str, Any], expected: str
) -> None:
    own = change(copy.deepcopy(network("mlp")))
    kind = next(own.parameters()).dtype
    with pytest.raises(InputError, match=expected) as caught:
        Auto(**options).compress(own, [(x.to(kind), y) for x, y in data()])
    assert "\n" not in str(caught.value)


def test_judging_on_training_samples_and_missing_classes_are_said() -> None:
    first = [(x[y < 3], y[y < 3]) for x, y in data()]
    small = Auto(target="macs=3x", trial_steps=0, epochs=0).compress(network("mlp"), first)
    assert "judged on samples that it was made from: give validation batches" in small.message
    assert "classes missing among the samples: 1 (give" in small.message
    assert "judged" not in made(target="macs=3x").message


def test_validation_without_a_sample_is_refused() -> None:
    with pytest.raises(InputError, match="hold no sample to judge by"):
        Auto(target="macs=3x").compress(graph(), data(), validation=[])


def test_how_it_goes_on_is_shown_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    Auto(target="macs=3x", trial_steps=1, epochs=1).compress(graph(), data())
    out, err = capsys.readouterr()
    assert out == ""
    for told in ("measuring the network", "choosing sizes within macs=3x", "judging", "trial 1 of", "fine-tuning"):
        assert told in err


def test_a_network_that_stores_more_than_the_original_is_said_to() -> None:
    few, many = (Cost(parameters=count, storage_bytes=4 * count, multiply_adds=1) for count in (1000, 1100))
    assert _grown(few, many) == _grown(few, few) == []
    assert "1,100 parameters, more than the 1,000 of the original" in _grown(many, few)[0]
