from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from corank.errors import InputError
from corank.train import Checkpoint, Cosine, EpochEnd, History, fit
from corank.train.checkpoint import OPTIMISER, STATE, WEIGHTS

PROGRAM = Path(__file__).parent / "programs" / "killed.py"
OPTIMISERS = {
    "momentum": partial(SGD, lr=0.05, momentum=0.9, nesterov=True),
    "plain": partial(SGD, lr=0.05),
    "adam": partial(Adam, lr=0.01),
    "amsgrad": partial(AdamW, lr=0.01, amsgrad=True),
}


class Interrupted(Exception):
    """What stands for the user's Ctrl-C."""


def make_network(width: int = 8) -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(5, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.4), nn.Linear(width, 3))


class Drawn:
    """Batches in an order drawn from the global generator; stops at a given batch of a given epoch."""

    def __init__(self, stop_at: tuple[int, int] | None = None) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(26, 5, generator=generator)
        self.y = torch.randint(0, 3, (26,), generator=generator)
        self.stop_at = stop_at
        self.epochs: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def __len__(self) -> int:
        return 4

    def __iter__(self):
        for number, part in enumerate(torch.randperm(26).split(7)):
            if self.stop_at == (self.epochs[-1], number):
                raise Interrupted
            yield self.x[part], self.y[part]


def run(
    network: nn.Module,
    batches: Drawn,
    make: Callable[..., Optimizer],
    checkpoint: Checkpoint | Path | None,
    **options: object,
) -> tuple[History, Optimizer]:
    made: list[Optimizer] = []

    def optimiser(parameters: list[nn.Parameter]) -> Optimizer:
        made.append(make(parameters))
        return made[0]

    settings = {"epochs": 4, "schedule": Cosine(warm_up=0.2), "seed": 5, **options}
    return fit(network, batches, optimiser=optimiser, checkpoint=checkpoint, **settings), made[0]


def left_behind(network: nn.Module, history: History, optimiser: Optimizer) -> dict[str, object]:
    """All that must be the same after a resumption: times are not."""
    return {
        "rows": [(row.epoch, row.loss, row.accuracy, row.learning_rate) for row in history.rows],
        "message": history.message,
        "weights": dict(network.state_dict()),
        "optimiser": optimiser.state_dict(),
    }


def same(first: object, second: object) -> bool:
    """Equal to the bit, and of the same types."""
    if type(first) is not type(second):
        return False
    if isinstance(first, Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


@pytest.mark.parametrize("stop_at", [(1, 0), (2, 3)])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_interrupted_run_ends_as_the_uninterrupted_one(tmp_path: Path, name: str, stop_at: tuple[int, int]) -> None:
    network = make_network()
    whole = left_behind(network, *run(network, Drawn(), OPTIMISERS[name], None))
    torch.rand(3)  # what the caller draws in between must not matter

    network = make_network()
    with pytest.raises(Interrupted):
        run(network, Drawn(stop_at), OPTIMISERS[name], tmp_path / "kept")

    network, batches = make_network(), Drawn()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 7.0)
    resumed = left_behind(network, *run(network, batches, OPTIMISERS[name], tmp_path / "kept"))
    assert batches.epochs == list(range(stop_at[0], 4)), "at most the interrupted epoch is lost"
    assert same(resumed, whole)


def test_a_kill_at_any_moment_loses_at_most_the_epoch_it_was_in(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(PROGRAM), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    moments = json.loads(done.stdout.splitlines()[-1])
    at_calls = [moment for moment in moments if "at_call" in moment and moment["killed"]]
    assert len(at_calls) >= 3 * 10, "each of three epochs writes, synchronises and renames"
    assert {moment["kept_epochs"] for moment in at_calls} == {0, 1, 2, 3}
    for moment in moments:
        assert moment["kept_epochs"] >= moment["trained_epochs"] - 1, moment
        assert moment["resumed_epochs"] == 3 - moment["kept_epochs"], moment
        assert moment["equal"], moment


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    network = make_network()
    history, _ = run(network, Drawn(), OPTIMISERS["adam"], tmp_path)
    again, batches = make_network(), Drawn()
    repeated, _ = run(again, batches, OPTIMISERS["adam"], tmp_path)
    assert batches.epochs == []
    assert repeated == history
    assert same(dict(again.state_dict()), dict(network.state_dict()))


def test_a_run_that_a_callback_ended_stays_ended(tmp_path: Path) -> None:
    def enough(end: EpochEnd) -> str | None:
        return "good enough" if end.epoch == 2 else None

    history, _ = run(make_network(), Drawn(), OPTIMISERS["adam"], tmp_path, callbacks=[enough])
    batches = Drawn()
    repeated, _ = run(make_network(), batches, OPTIMISERS["adam"], tmp_path, callbacks=[enough])
    assert batches.epochs == []
    assert repeated == history
    assert (repeated.message, repeated.converged, repeated.iterations) == ("good enough", False, 2)


def test_only_the_last_epoch_is_kept_and_nothing_is_a_pickle(tmp_path: Path) -> None:
    run(make_network(), Drawn(), OPTIMISERS["momentum"], tmp_path)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"epoch-4/{name}" for name in sorted((WEIGHTS, OPTIMISER, STATE))]


def test_tied_weights_are_kept(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        network = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
        network[1].weight = network[0].weight
        return network

    network = tied()
    run(network, Drawn(), OPTIMISERS["adam"], tmp_path)
    again = tied()
    run(again, Drawn(), OPTIMISERS["adam"], tmp_path)
    assert torch.equal(again[1].weight, network[0].weight)
    assert again[0].weight is again[1].weight


@pytest.mark.parametrize("name", [WEIGHTS, OPTIMISER, STATE])
@pytest.mark.parametrize("damage", ["truncated", "altered", "missing", "empty"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path, name: str, damage: str) -> None:
    run(make_network(), Drawn(), OPTIMISERS["adam"], tmp_path)
    path = tmp_path / "epoch-4" / name
    content = bytearray(path.read_bytes())
    middle = len(content) * 2 // 3
    if damage == "missing":
        path.unlink()
    else:
        content[middle] ^= 1
        kept = {"truncated": content[:middle], "altered": content, "empty": b""}[damage]
        path.write_bytes(kept)
    network = make_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(InputError, match="missing, truncated or altered") as caught:
        run(network, Drawn(), OPTIMISERS["adam"], tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same(dict(network.state_dict()), before)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"seed": 6}, r"fit.seed was 5 there and is 6 here"),
        ({"epochs": 9}, r"fit.epochs was 4 there and is 9 here"),
        (
            {"schedule": Cosine()},
            r"fit.schedule was Cosine\(warm_up=0.2\) there and is Cosine\(warm_up=0.0\)",
        ),
        ({"make": partial(Adam, lr=0.02)}, r"fit.groups.0.lr was 0.01 there and is 0.02 here"),
        (
            {"make": partial(AdamW, lr=0.01, weight_decay=0)},
            r"fit.optimiser was Adam there and is AdamW here",
        ),
        (
            {"network": make_network(width=9)},
            r"0.bias was \(8,\) torch.float32 there and is \(9,\) torch.float32",
        ),
        ({"network": nn.Linear(5, 3)}, r" was .* there and is absent here"),
        ({"options": {"data": "digits"}}, "data was mnist there and is digits here"),
        ({"options": {}}, "data was mnist there and is absent here"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    run(make_network(), Drawn(), OPTIMISERS["adam"], Checkpoint(tmp_path, options={"data": "mnist"}))
    network = change.pop("network", make_network())
    make = change.pop("make", OPTIMISERS["adam"])
    options = change.pop("options", {"data": "mnist"})
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(InputError, match=expected) as caught:
        run(network, Drawn(), make, Checkpoint(tmp_path, options=options), **change)
    assert str(tmp_path / "epoch-4") in str(caught.value)
    assert same(dict(network.state_dict()), before)


def test_a_file_is_no_checkpoint_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(InputError, match="must be a folder, got the file"):
        Checkpoint(path)


@pytest.mark.parametrize("part", [None, "second"])
def test_other_options_are_refused_before_any_network_is_there(tmp_path: Path, part: str | None) -> None:
    kept = Checkpoint(tmp_path, options={"data": "mnist", "seed": None})
    kept.check()
    run(make_network(), Drawn(), OPTIMISERS["adam"], kept if part is None else kept.part(part))
    place = tmp_path if part is None else tmp_path / part
    (place / "epoch-5.partial").mkdir()  # of a kill while the next one was written
    kept.check()
    for options, expected in (
        ({"data": "digits"}, "data was mnist there and is digits here"),
        ({"data": "mnist", "rank": 3}, "rank was absent there and is 3 here"),
    ):
        with pytest.raises(InputError, match=expected) as caught:
            Checkpoint(tmp_path, options=options).check()
        assert str(place / "epoch-4") in str(caught.value)
    for name in (OPTIMISER, WEIGHTS, STATE):
        kept.check()
        content = (place / "epoch-4" / name).read_bytes()
        (place / "epoch-4" / name).write_bytes(content[:-5])
        with pytest.raises(InputError, match=f"{name} is missing, truncated or altered"):
            kept.check()
        (place / "epoch-4" / name).write_bytes(content)
