from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from corank.errors import InputError
from corank.train import fit, make_fabric
from corank.train.devices import shard

PROGRAM = Path(__file__).parent / "programs" / "processes.py"


@given(samples=st.integers(1, 40), processes=st.integers(1, 9))
@example(samples=1, processes=2)
@example(samples=3, processes=7)
def test_the_shards_are_the_batch_and_their_weighted_means_its_mean(samples: int, processes: int) -> None:
    values = torch.arange(samples, dtype=torch.float64) ** 2
    parts = [shard(values, values, rank, processes) for rank in range(processes)]
    assert all(len(part.x) for part in parts), "nobody may be left out of the exchange of gradients"
    used = torch.cat([part.x for part in parts if part.weight])
    assert torch.equal(used, values)
    sizes = [len(part.x) if part.weight else 0 for part in parts]
    assert max(sizes) - min(sizes) <= 1
    mean = torch.stack([part.weight * part.x.mean() for part in parts]).mean()
    assert mean.item() == pytest.approx(values.mean().item(), rel=1e-12)


def trained_in(folder: Path, processes: int) -> list[dict[str, object]]:
    """The reports of all processes; one process needs none but this."""
    folder.mkdir()
    if processes == 1:
        runpy.run_path(str(PROGRAM))["main"](folder, processes)
        return [json.loads((folder / "report-0.json").read_text())]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(PROGRAM), str(folder), str(processes)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"report-{rank}.json").read_text()) for rank in range(processes)]


def test_two_processes_train_what_one_process_trains(tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    (alone,) = trained_in(tmp_path / "one", 1)
    first, second = trained_in(tmp_path / "two", 2)

    expected = load_file(tmp_path / "one" / "weights-0.safetensors")
    for rank in range(2):
        weights = load_file(tmp_path / "two" / f"weights-{rank}.safetensors")
        for name, weight in weights.items():
            torch.testing.assert_close(weight, expected[name], atol=1e-6, rtol=0)
    torch.testing.assert_close(first["rows"], alone["rows"], atol=1e-5, rtol=0)
    assert first["rows"] == second["rows"], "every process must report the whole"

    kept = load_file(tmp_path / "two" / "checkpoint" / "epoch-4" / "weights.safetensors")
    assert sorted(kept) == sorted(expected)
    for report in (alone, first, second):
        assert report["message"] == "enough", "the first process's reason must stop all"
        assert "epoch 1, step 5" in report["refused"], "a loss that is not finite in one process must stop all"
    for rank in range(2):
        threads = json.loads((tmp_path / "two" / f"threads-{rank}.json").read_text())
        assert not any("gloo" in name for name in threads), "a thread left at the end aborts the program"


def test_mixed_precision_computes_in_half_and_keeps_full_weights() -> None:
    pytest.importorskip("lightning_fabric")
    x = torch.randn(64, 4)
    y = (x[:, 0] > 0).long()
    seen: set[torch.dtype] = set()

    def objective(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        output = network(x)
        seen.add(output.dtype)
        return nn.functional.cross_entropy(output, y)

    network = nn.Linear(4, 2)
    fabric = make_fabric("cpu", "bf16-mixed", 1)
    assert fabric is not None
    sgd = partial(torch.optim.SGD, lr=1.0)
    history = fit(network, [(x, y)], epochs=30, optimiser=sgd, objective=objective, fabric=fabric)
    assert seen == {torch.bfloat16}
    assert network.weight.dtype == torch.float32
    assert type(network) is nn.Linear
    assert history.rows[-1].accuracy >= 0.95


def test_plain_training_needs_no_fabric() -> None:
    assert make_fabric("cpu", None, 1) is None
    assert make_fabric("cpu", "32-true", 1) is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("gpu7", None, 1), "got 'gpu7': .*cpu"),
        (("cuda:99", None, 1), "got 'cuda:99': .*"),
        (("cpu", "half", 1), "precision must be one of 32-true, bf16-mixed, got 'half'"),
        (("cpu", None, 0), "processes must be at least 1, got 0"),
    ],
)
def test_wrong_devices_are_refused(arguments: tuple[str, str | None, int], expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        make_fabric(*arguments)
    assert "\n" not in str(caught.value)


def test_a_missing_fabric_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(InputError, match=r"corank\[fabric\]"):
        make_fabric("cpu", "bf16-mixed", 1)
