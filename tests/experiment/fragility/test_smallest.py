from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from corank.errors import InputError
from corank.experiment import Opened
from corank.experiment.attack_setting import Attacked, Setting
from corank.experiment.fragility import smallest
from corank.experiment.fragility.ends import nearest_ends
from corank.experiment.fragility.smallest import smallest_found
from corank.measure import Pairs
from corank.zoo import Dataset
from corank.zoo.data.batches import to_pixels

Scene = tuple[Attacked, Pairs]


@pytest.fixture
def scene(make_opened: Callable[..., Opened], pixels: Dataset) -> Scene:
    attacked = Setting().attacked(make_opened("residual").network, pixels)
    x, y = to_pixels(pixels.test.images), pixels.test.labels
    right = attacked.network(x).argmax(1) == y
    return attacked, nearest_ends(attacked.network, x[right][:14], y[right][:14], pixels).pairs


def test_what_is_found_leads_where_it_is_said_to(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    attacked, pairs = scene
    monkeypatch.setattr(smallest, "PART", 10)
    found = smallest_found(attacked, pairs, steps=20, seed=0)
    assert bool((found.found <= found.towards).all())
    moved = pairs.starts[found.places] + found.perturbations
    assert bool(((moved > -1e-6) & (moved < 1 + 1e-6)).all())
    assert torch.equal(attacked.network(moved).argmax(1), found.classes[found.places])
    lengths = found.perturbations.flatten(1).double().norm(dim=1)
    assert lengths.numpy() == pytest.approx(found.found[found.places].numpy(), rel=1e-4)
    assert {int(found.found.argmin()), int(found.found.argmax())} <= {*found.places.tolist()}


def test_an_interrupted_search_goes_on(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attacked, pairs = scene
    monkeypatch.setattr(smallest, "PART", 5)
    whole = smallest_found(attacked, pairs, steps=8, seed=0)

    def stop(done: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    folder, options = tmp_path / "parts", {"steps": 8}
    with pytest.raises(KeyboardInterrupt):
        smallest_found(attacked, pairs, steps=8, seed=0, folder=folder, options=options, told=stop)
    assert len(list(folder.glob("part-*"))) == 2
    asked: list[slice] = []
    real = smallest._attacked

    def counted(attacked: Attacked, pairs: Pairs, some: slice, steps: int, seed: int) -> dict[str, torch.Tensor]:
        asked.append(some)
        return real(attacked, pairs, some, steps, seed)

    monkeypatch.setattr(smallest, "_attacked", counted)
    again = smallest_found(attacked, pairs, steps=8, seed=0, folder=folder, options=options)
    assert asked == [slice(10, 15)]
    for name in ("towards", "found", "classes", "places", "perturbations"):
        assert torch.equal(getattr(again, name), getattr(whole, name)), name
    with pytest.raises(InputError, match=r"another diagnosis \(steps was 8, now 9"):
        smallest_found(attacked, pairs, steps=9, seed=0, folder=folder, options={"steps": 9})
    smallest_found(attacked, pairs, steps=9, seed=0, folder=folder, options={"steps": 9}, overwrite=True)
    assert len(asked) == 4
