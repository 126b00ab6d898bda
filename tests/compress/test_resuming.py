"""An ASNet whose trainings were stopped ends as one that was left in peace."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.compress import ASNet, ASNetwork
from corank.errors import InputError
from corank.train import Checkpoint
from corank.train.loop import Loop

from .plane import data, graph, net

OPTIONS: dict[str, Any] = {
    "layer": "2", "rank": 3, "order": 2, "epochs": 3, "pre_rate": 1e-3, "head_rate": 1e-3, "sparse": "l1",
    "sparse_weight": 0.5, "sparse_epochs": 2, "sparse_pre_rate": 0.02, "sparse_head_rate": 0.02,
}  # fmt: skip
SAVES = 3 + 2


def made(checkpoint: Checkpoint | Path | None = None, **changed: Any) -> ASNetwork:
    options = {**OPTIONS, **changed}
    if options["sparse"] is None:
        options = {name: value for name, value in options.items() if not name.startswith("sparse_")}
    return ASNet(**options).compress(graph(), data(), checkpoint=checkpoint)


@cache
def whole() -> ASNetwork:
    """With dropout before the cut, so that chance has its part, and without a checkpoint."""
    return made()


class Stopped(Exception):
    """What stands for the user's Ctrl-C."""


def stopped_after(saves: int, folder: Checkpoint | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compression that ends as soon as that many epochs of its trainings are kept."""
    save, left = Checkpoint.save, [saves]

    def stop(self: Checkpoint, *rest: Any) -> None:
        save(self, *rest)
        left[0] -= 1
        if not left[0]:
            raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", stop)
        with pytest.raises(Stopped):
            made(folder)


def assert_same(one: ASNetwork, other: ASNetwork) -> None:
    for name in ("fitted", "tuned", "network"):
        first, second = (getattr(each, name).state_dict() for each in (one, other))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), name
    assert timeless(one.to_dict()) == timeless(other.to_dict())


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "seconds"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kept", range(1, SAVES + 1))
def test_stopped_after_any_epoch_it_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    expected = whole()
    stopped_after(kept, tmp_path, monkeypatch)
    epoch, done = Loop.epoch, []

    def counted(self: Loop, *rest: Any) -> Any:
        done.append(rest[1])
        return epoch(self, *rest)

    monkeypatch.setattr(Loop, "epoch", counted)
    assert_same(made(tmp_path), expected)
    assert len(done) == SAVES - kept, "no finished epoch is done again"


def test_a_checkpoint_changes_nothing_and_holds_the_last_epoch_of_each_training(tmp_path: Path) -> None:
    assert_same(made(tmp_path), whole())
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")) == [
        "fine-tuning/epoch-3",
        "sparse-training/epoch-2",
    ]


OTHERS: dict[str, Any] = {
    "layer": "1", "rank": 2, "order": 1, "samples": 100, "fit": "ridge", "basis": "data-driven", "ridge": 1e-3,
    "epochs": 5, "beta": 0.5, "pre_rate": 1e-2, "head_rate": 1e-2, "sparse": "group-lasso", "sparse_weight": 0.1,
    "sparse_epochs": 3, "sparse_pre_rate": 0.1, "sparse_head_rate": 0.1, "seed": 1,
}  # fmt: skip


@pytest.mark.parametrize("kept", [1, 4])
def test_other_options_are_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    stopped_after(kept, tmp_path, monkeypatch)
    monkeypatch.setattr(ASNet, "_compress", lambda *_: pytest.fail("the work has begun"))
    for option, value in OTHERS.items():
        with pytest.raises(InputError, match=rf"compressor\.{option} was .* there and is {value} here") as caught:
            made(tmp_path, **{option: value})
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)


def test_another_network_and_what_the_caller_adds_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_after(1, Checkpoint(tmp_path, options={"data": "plane"}), monkeypatch)
    other = net()
    with torch.no_grad():
        other[0].bias[0] += 1e-6
    with pytest.raises(InputError, match=r"compressor.weights was sha256 \w+ there and is sha256"):
        ASNet(**OPTIONS).compress(other, data(), checkpoint=Checkpoint(tmp_path, options={"data": "plane"}))
    with pytest.raises(InputError, match=r"data was plane there and is sphere here"):
        made(Checkpoint(tmp_path, options={"data": "sphere"}))
    assert_same(made(Checkpoint(tmp_path, options={"data": "plane"})), whole())


def test_more_batches_are_another_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_after(1, tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"fit\.steps was 20 there and is 21 here"):
        ASNet(**OPTIONS).compress(graph(), [*data(), data()[0]], checkpoint=tmp_path)


def test_a_checkpoint_that_cannot_be_used_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_after(4, tmp_path / "kept", monkeypatch)
    (state,) = (tmp_path / "kept/sparse-training").glob("epoch-1/state.json")
    state.write_text(state.read_text()[:-9])
    with pytest.raises(InputError, match="is missing, truncated or altered") as caught:
        made(tmp_path / "kept")
    assert "\n" not in str(caught.value)
    for name in ("fit", "compressor"):
        with pytest.raises(InputError, match=f"option must not be named '{name}'"):
            made(Checkpoint(tmp_path / "new", options={"data": "plane", name: "mine"}))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"must be a folder, got the file .*file"):
        made(tmp_path / "file")


class Interrupting:
    """Data that the user interrupts at a draw, counted over all passes."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __len__(self) -> int:
        return len(data())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in data():
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            yield batch


def test_stopped_again_and_again_within_an_epoch_it_comes_to_its_end(tmp_path: Path) -> None:
    network, before = net(), net().state_dict()
    starts, end = 0, None
    while end is None:
        starts += 1
        assert starts <= SAVES
        try:  # enough draws for the fit and one epoch, not for two
            end = ASNet(**OPTIONS).compress(network, Interrupting(75), checkpoint=tmp_path)
        except KeyboardInterrupt:
            assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
            assert not network.training
    assert starts == SAVES
    assert_same(end, whole())


def test_without_epochs_nothing_is_kept(tmp_path: Path) -> None:
    small = made(tmp_path / "new", epochs=0, sparse=None)
    assert isinstance(small.network, nn.Module)
    assert not (tmp_path / "new").exists()
