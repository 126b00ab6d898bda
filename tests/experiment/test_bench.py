"""Teachers are made once, come back as they were, and are never mixed up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from corank.errors import InputError
from corank.experiment.bench import Bench, Sources, Wanted, thinned, top_accuracies
from corank.experiment.store import Store
from corank.network import save_tensors
from corank.zoo import build, load_data
from corank.zoo.data.dataset import Split

DIGITS = Wanted(network="vgg_digits", data="digits", epochs=1, train_images=None, test_images=100)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """With one teacher in it."""
    store = Store(tmp_path_factory.mktemp("bench"))
    Bench(store).teacher(DIGITS)
    return store


def outputs(teacher: Any) -> torch.Tensor:
    with torch.inference_mode():
        return teacher.network(torch.linspace(0, 1, 128).reshape(2, 1, 8, 8))


def test_a_teacher_is_trained_once_and_read_again(store: Store) -> None:
    said: list[str] = []
    first, second = Bench(store, report=said.append).teacher(DIGITS), Bench(store, report=said.append).teacher(DIGITS)
    assert said == []
    assert torch.equal(outputs(first), outputs(second))
    assert first.top1 > 0.3
    assert len(first.data.test) == 100
    right = first.network(first.data.test.images / 255).argmax(1) == first.data.test.labels
    assert first.top1 == pytest.approx(float(right.double().mean()))


def test_a_bench_makes_a_thing_once(store: Store) -> None:
    bench = Bench(store)
    assert bench.teacher(DIGITS) is bench.teacher(DIGITS)
    assert bench.untrained("vgg_digits", 10) is bench.untrained("vgg_digits", 10)


def test_weights_come_from_a_file_or_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("vgg_digits", classes=10, generator=torch.Generator().manual_seed(5))
    file = tmp_path / "vgg_digits-digits.safetensors"
    save_tensors(network.state_dict(), file)
    wanted = Wanted(network="vgg_digits", data="digits", epochs=None, train_images=50, test_images=50)
    monkeypatch.delenv("CORANK_WEIGHTS", raising=False)
    with pytest.raises(InputError, match=r"vgg_digits-digits.safetensors is not known.*CORANK_WEIGHTS"):
        Bench(Store(tmp_path / "store")).teacher(wanted)
    given = [Bench(Store(tmp_path / "store"), Sources(weights=path)).teacher(wanted) for path in (file, tmp_path)]
    monkeypatch.setenv("CORANK_WEIGHTS", str(tmp_path))
    given.append(Bench(Store(tmp_path / "store")).teacher(wanted))
    assert torch.equal(outputs(given[0]), outputs(given[1]))
    assert torch.equal(outputs(given[0]), outputs(given[2]))
    assert [len(given[0].data.train), len(given[0].data.test)] == [50, 50]
    monkeypatch.setenv("CORANK_WEIGHTS", str(tmp_path / "store"))
    with pytest.raises(InputError, match="is not in"):
        Bench(Store(tmp_path / "store")).teacher(wanted)


def test_a_store_keeps_to_one_teacher(tmp_path: Path) -> None:
    wanted = Wanted(network="vgg_digits", data="digits", epochs=None, train_images=50, test_images=50)
    store, file = Store(tmp_path / "store"), tmp_path / "weights.safetensors"
    for seed in (5, 6):
        network = build("vgg_digits", classes=10, generator=torch.Generator().manual_seed(seed))
        save_tensors(network.state_dict(), file)
        bench = Bench(store, Sources(weights=file))
        if seed == 5:
            bench.teacher(wanted)
        else:
            with pytest.raises(InputError, match=r"about another teacher \(weights was .*name another --store"):
                bench.teacher(wanted)
    (kept,) = store.find_all(wanted.place)
    assert json.dumps(kept)


def test_the_first_images_of_a_sorted_split_are_of_all_classes() -> None:
    train = load_data("digits").train
    order = train.labels.argsort()
    assert set(thinned(train.select(order), 100).labels.tolist()) == set(range(10))
    few, more = thinned(train, 10), thinned(train, 30)
    assert torch.equal(more.labels[:10], few.labels)


def test_top_accuracies_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(300, 12, generator=generator), torch.randint(12, (300,), generator=generator)
    found = top_accuracies(torch.nn.Identity(), Split(scores, labels))
    for name, k in (("top1", 1), ("top5", 5)):
        expected = top_k_accuracy_score(labels, scores, k=k, labels=np.arange(12))
        assert found[name] == pytest.approx(expected)


def test_wrong_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*nowhere"):
        Sources(weights=tmp_path / "nowhere")
    with pytest.raises(InputError, match="gpu"):
        Sources(device="gpu")
