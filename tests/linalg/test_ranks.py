"""Two processes end with the same sketch as one; a rank that dies or does not fit is noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from corank.linalg import FrequentDirections, merge_ranks

from .programs.ranks import all_rows, sketches

PROGRAM = Path(__file__).parent / "programs" / "ranks.py"


def run(folder: Path, what: str, seconds: float) -> list[int]:
    """Exit codes of two ranks; fails if one runs for longer."""
    ranks = [subprocess.Popen([sys.executable, str(PROGRAM), str(folder), str(rank), "2", what]) for rank in (0, 1)]
    try:
        return [rank.wait(timeout=seconds) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()


def test_two_processes_are_one(tmp_path: Path) -> None:
    assert run(tmp_path, "merge", seconds=120) == [0, 0]
    first, second = (torch.load(tmp_path / f"states{rank}.pt", weights_only=True) for rank in (0, 1))
    rows = all_rows()
    for name, whole in sketches(20, 0, 1).items():
        whole.update(rows)
        assert all(torch.equal(first[name][key], second[name][key]) for key in first[name])
        merged = sketches(20, 0, 2)[name].load_state_dict(first[name])
        assert merged.rows_seen == 300
        assert merged.energy == pytest.approx(whole.energy, rel=1e-12)
        largest = float(torch.linalg.matrix_norm(rows.double(), 2)) ** 2
        allowed = 1e-5 * largest  # reading float32 sums; the sums themselves agree to 1e-6
        if isinstance(whole, FrequentDirections):
            assert isinstance(merged, FrequentDirections)
            allowed += max(whole.shrinkage, merged.shrinkage)
            interleaved = torch.cat([rows[::2], rows[1::2]]).double()
            exact = interleaved @ merged.right_vectors.double().T
            lacking = merged.energy - float(merged.eigenvalues.sum())
            assert float((merged.coordinates - exact).square().sum()) <= lacking
        else:
            key = "buckets" if name == "hashing" else "products"
            gap = (first[name][key] - whole.state_dict()[key]).norm()
            assert float(gap) <= 1e-6 * float(whole.state_dict()[key].norm())
        gaps = merged.eigenvalues[:10] - whole.eigenvalues[:10]
        assert float(gaps.abs().max()) <= allowed


def test_a_rank_that_dies_is_noticed_within_seconds(tmp_path: Path) -> None:
    assert run(tmp_path, "die", seconds=120) == [1, 1]
    waited, kind, *_ = (tmp_path / "raised0").read_text().split()
    assert float(waited) < 10
    assert kind.endswith("Error")


def test_ranks_that_do_not_fit_all_say_so(tmp_path: Path) -> None:
    assert run(tmp_path, "misfit", seconds=120) == [1, 1]
    assert (
        "InputError the sketch of rank 1 does not fit: state must be of size 20" in (tmp_path / "raised0").read_text()
    )
    assert (
        "InputError the sketch of rank 0 does not fit: state must be of size 21" in (tmp_path / "raised1").read_text()
    )


def test_one_rank_alone_and_no_group() -> None:
    sketch = FrequentDirections(4, 6).update(torch.eye(6))
    assert merge_ranks(sketch) is sketch
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        merged = merge_ranks(sketch)
    finally:
        distributed.destroy_process_group()
    assert merged is not sketch
    assert torch.equal(merged.right_vectors, sketch.right_vectors)
