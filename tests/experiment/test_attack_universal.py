"""A universal perturbation's folder holds what the vector in it does, and an interrupted search goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from corank.attack.recursive_subspace import RecursiveSubspace
from corank.attack.search import Search
from corank.attack.stochastic_gradient import StochasticGradient
from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.attack_resuming import Kept, kept_search
from corank.experiment.attack_setting import Setting, scene_of
from corank.experiment.attack_universal import run_universal, searched
from corank.zoo import Dataset

Make = Callable[..., Opened]
ATTACK = RecursiveSubspace(radius=2.0)
SPACES = pytest.mark.parametrize("space", ["pixel", "normalised"])


@SPACES
def test_the_shares_are_those_of_the_vector_in_the_folder(
    make_opened: Make, pixels: Dataset, tmp_path: Path, space: str
) -> None:
    opened, setting = make_opened("residual"), Setting(space=space)
    result = run_universal(opened, pixels, ATTACK, tmp_path, setting=setting, images=80, heldout=50, seed=4)
    assert json.loads((tmp_path / "universal.json").read_text()) == result
    vector = load_file(tmp_path / "vector.safetensors")["vector"]
    assert float(vector.norm()) <= 2.0 + 1e-6
    scene = scene_of(opened, pixels, setting, images=80, heldout=50, seed=4)
    for split, (inputs, labels) in {"train": scene.train, "heldout": scene.heldout}.items():
        moved = scene.attacked.pixels(inputs) + scene.attacked.in_pixels(vector[None])
        seen = (
            opened.network(scene.attacked.pixels(inputs)),
            opened.network(moved.clamp(0, 1) if setting.clips else moved),
        )
        before, after = (logits.argmax(1) for logits in seen)
        right = before == labels
        assert result["images"][split] == len(labels)
        assert result["fooling_ratio"][split] == pytest.approx(_share(after != before))
        assert result["fooling_ratio_of_right"][split] == pytest.approx(_share((after != before)[right]))
        assert result["error_rate"][split] == pytest.approx(_share(after != labels))
        assert result["error_rate_before"][split] == pytest.approx(_share(~right))
        assert [row[split] for row in result["into"]] == torch.bincount(after, minlength=3).tolist()
    assert [row["class"] for row in result["into"]] == ["0", "1", "2"]
    assert (result["space"], result["clipped"]) == (space, setting.clips)
    assert result["fooling_ratio"]["train"] > 0.2, "a search that finds nothing tests nothing"


def _share(flags: torch.Tensor) -> float:
    return float(flags.double().mean())


def test_the_curve_ends_at_what_was_found(make_opened: Make, pixels: Dataset) -> None:
    result = run_universal(make_opened("tiny"), pixels, ATTACK, setting=Setting(), images=60)
    last = result["steps"][-1]
    assert last["fooling_ratio"] == result["fooling_ratio"]["train"]
    assert (last["sample_gradients"], last["forward_passes"]) == (result["sample_gradients"], result["forward_passes"])
    for name in ("fooling_ratio", "sample_gradients", "forward_passes", "seconds"):
        assert [row[name] for row in result["steps"]] == sorted(row[name] for row in result["steps"])


def test_the_page_shows_what_the_file_holds(make_opened: Make, pixels: Dataset, tmp_path: Path) -> None:
    result = run_universal(make_opened("tiny"), pixels, ATTACK, tmp_path, setting=Setting(class_="2"), images=60)
    assert result["class"] == "2"
    page = (tmp_path / "index.html").read_text()
    shown = f"{100 * result['fooling_ratio']['heldout']:.1f}"
    for text in ("One vector against tiny", shown, "of class 2", "clipped to 0 to 1", result["message"], "triptychs"):
        assert text in page
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == {"triptychs", "classes-into", "fooling-curve"}
    assert {entry.name for entry in tmp_path.iterdir()} == {
        "figures",
        "index.html",
        "universal.json",
        "vector.safetensors",
    }


def interrupted_after(monkeypatch: pytest.MonkeyPatch, tries: int) -> None:
    """Ctrl-C once, at the so many-th time that perturbations are tried."""
    tried, left = Search.tried, [tries]

    def stop(self: Search, *vectors: torch.Tensor) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return tried(self, *vectors)

    monkeypatch.setattr(Search, "tried", stop)


def test_an_interrupted_search_goes_on_from_its_best_vector(
    make_opened: Make, pixels: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, attack = make_opened("residual"), StochasticGradient(radius=2.0, steps=30)
    line: dict[str, Any] = {"setting": Setting(), "images": 80}
    interrupted_after(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        run_universal(opened, pixels, attack, tmp_path, **line)
    assert {entry.name for entry in tmp_path.iterdir()} == {"checkpoint"}
    kept = load_file(tmp_path / "checkpoint/search.safetensors")
    gradients, _, seconds, share = kept["steps"][-1].tolist()
    assert share > 0
    with pytest.raises(InputError, match=r"another search \(radius was 2.0, now 3.0\)"):
        run_universal(opened, pixels, StochasticGradient(radius=3.0, steps=30), tmp_path, **line)
    told: list[str] = []
    result = run_universal(opened, pixels, attack, tmp_path, **line, report=told.append)
    assert told == [f"going on where the search in {str(tmp_path)!r} stopped, with {share:.2%} fooled"]
    assert not (tmp_path / "checkpoint").exists()
    assert [row["fooling_ratio"] for row in result["steps"][:5]] == kept["steps"][:, 3].tolist()
    assert result["steps"][5]["fooling_ratio"] == share, "its first step tries what was kept"
    assert result["fooling_ratio"]["train"] >= share
    alone = run_universal(opened, pixels, attack, **line)
    assert result["sample_gradients"] == gradients + alone["sample_gradients"]
    assert result["seconds"] > seconds
    assert run_universal(opened, pixels, attack, tmp_path, **line, report=told.append) == result
    assert "nothing to do" in told[-1]


def test_the_limit_of_gradients_is_that_of_both_parts(make_opened: Make, pixels: Dataset) -> None:
    scene = scene_of(make_opened("tiny"), pixels, Setting(), images=60, heldout=10, seed=0)
    attack = StochasticGradient(radius=0.01, steps=30, batch=20, most_gradients=100)
    whole = searched(scene, attack)
    assert whole.gradients == 100
    half = searched(scene, StochasticGradient(radius=0.01, steps=30, batch=20, most_gradients=60))
    resumed = searched(scene, attack, Kept(None, half.vector, list(half.steps)))
    assert resumed.gradients <= 100


def test_a_damaged_beginning_is_refused_but_may_be_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "options.json").write_text("{}")
    (folder / "search.safetensors").write_bytes(b"no header")
    with pytest.raises(InputError, match=r"search\.safetensors"), kept_search(folder, {}, overwrite=False):
        pytest.fail("it was used")
    with kept_search(folder, {}, overwrite=True) as kept:
        assert kept.vector is None
    assert not folder.exists()


def test_a_search_that_fails_before_its_first_step_leaves_no_vector(
    make_opened: Make, pixels: Dataset, tmp_path: Path
) -> None:
    attack = RecursiveSubspace(radius=2.0, target=7)
    with pytest.raises(InputError, match="target must be a class from 0 to 2, got 7"):
        run_universal(make_opened("tiny"), pixels, attack, tmp_path, setting=Setting())
    run_universal(make_opened("tiny"), pixels, ATTACK, tmp_path, setting=Setting(), images=20)
