"""A network by name: how it is found, filled, normalised, told apart, and refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from corank.errors import InputError
from corank.experiment import Opened, open_network, save_run
from corank.experiment.networks import check_capture, data_of_run, identity, meant, users_code, with_meant_layers
from corank.experiment.study import Study
from corank.measure import ActiveSubspace
from corank.network import GraphNetwork, Normalised, capture
from corank.zoo import Batches, Dataset, load_data

MODULE = """
from torch import nn
from corank import Normalised

def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.ReLU(), nn.Linear(5, 3))

def normalised():
    return Normalised(plain(), [0.25], [0.5])

def fails():
    return nn.Linear("wide", 3)
"""


@pytest.fixture(autouse=True)
def users_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own in the working directory."""
    (tmp_path / "users_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "users_networks", raising=False)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, torch.Tensor]:
    """Weights for the user's network, also as `own.safetensors` and `own.pt`."""
    tensors = {
        "1.weight": torch.rand(5, 36),
        "1.bias": torch.rand(5),
        "3.weight": torch.rand(3, 5),
        "3.bias": torch.rand(3),
    }
    save_file(tensors, tmp_path / "own.safetensors")
    torch.save(tensors, tmp_path / "own.pt")
    return tensors


def by_hand(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    hidden = torch.relu(x.flatten(1) @ weights["1.weight"].T + weights["1.bias"])
    return hidden @ weights["3.weight"].T + weights["3.bias"]


@pytest.mark.parametrize("file", ["own.safetensors", "own.pt"])
def test_a_factory_with_weights_is_taken_as_it_is(pixels: Dataset, weights: dict[str, torch.Tensor], file: str) -> None:
    opened = open_network("users_networks:plain", dataset=pixels, weights=Path(file))
    assert opened.is_trained
    assert not opened.network.training
    x = torch.rand(4, 1, 6, 6)
    assert torch.allclose(opened.network(x), by_hand(weights, x), rtol=1e-5)  # another order of the same sums
    assert (opened.origin.zoo_name, opened.origin.classes, opened.origin.shape) == (None, 3, (1, 6, 6))


def test_a_factory_without_weights_is_normalised_for_the_data(pixels: Dataset) -> None:
    opened = open_network("users_networks:plain", dataset=pixels)
    assert not opened.is_trained
    assert isinstance(opened.network, Normalised)
    assert opened.network.mean.tolist() == pytest.approx(pixels.mean)
    assert opened.network.std.tolist() == pytest.approx(pixels.std)


def test_a_factory_is_not_normalised_twice_or_against_the_users_will(pixels: Dataset) -> None:
    own = open_network("users_networks:normalised", dataset=pixels).network
    assert isinstance(own, Normalised)
    assert own.mean.tolist() == [0.25]
    assert not isinstance(own.network, Normalised)
    assert not isinstance(open_network("users_networks:plain", dataset=pixels, normalise=False).network, Normalised)


def test_fresh_weights_follow_the_seed_and_leave_chance_alone(pixels: Dataset) -> None:
    def weight(spec: str, data: Dataset, seed: int) -> torch.Tensor:
        return next(open_network(spec, dataset=data, seed=seed).network.parameters())

    before = torch.get_rng_state()
    for spec, data in (("users_networks:plain", pixels), ("vgg_digits", load_data("digits"))):
        assert torch.equal(weight(spec, data, 1), weight(spec, data, 1))
        assert not torch.equal(weight(spec, data, 1), weight(spec, data, 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_normalisation_that_a_weights_file_says_is_kept(weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, "said.safetensors", {"mean": "0.25", "std": "0.5"})
    opened = open_network("users_networks:plain", shape=(1, 6, 6), weights=Path("said.safetensors"))
    x = torch.rand(4, 1, 6, 6)
    assert torch.allclose(opened.network(x), by_hand(weights, (x - 0.25) / 0.5), rtol=1e-5)


@pytest.mark.parametrize("spec", ["users_networks:plain", "vgg_digits"])
def test_the_weights_of_a_run_folder_fit_the_network_that_it_came_from(tmp_path: Path, spec: str) -> None:
    data = load_data("digits") if spec == "vgg_digits" else None
    shape = None if data else (1, 6, 6)
    opened = open_network(spec, dataset=data, shape=shape, seed=4)
    wrapped = opened if data else replace(opened, network=Normalised(opened.network, [0.3], [0.6]).eval())
    save_run(tmp_path / "run", wrapped.network, wrapped.origin, about={}, metrics={})
    again = open_network(spec, shape=shape, weights=tmp_path / "run/weights.safetensors", seed=9)
    x = torch.rand(3, *wrapped.origin.shape)
    assert torch.equal(again.network(x), wrapped.network(x))


def test_a_network_of_the_zoo_is_made_for_the_data() -> None:
    data = load_data("digits")
    opened = open_network("vgg_digits", dataset=data)
    assert opened.network(next(iter(Batches(data.test, 2)))[0]).shape == (2, 10)
    assert isinstance(opened.network, Normalised)
    assert open_network("resnet20", classes=100, shape=(1, 16, 16)).network(torch.zeros(2, 1, 16, 16)).shape == (2, 100)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("vgg_digit", {}, "'vgg_digit'.*did you mean vgg_digits"),
        ("nowhere/run", {}, "'nowhere/run'"),
        (".", {}, r"'\.' is no run folder"),
        ("vgg_digits", {"classes": 0}, "got 0"),
        ("vgg_digits", {"seed": -1}, "got -1"),
        ("vgg_digits", {"seed": 2**32}, "4294967296"),
        ("vgg_digits", {"shape": (1, 1, 1)}, r"vgg_digits cannot take images of shape \(1, 1, 1\)"),
        ("users_networks:plain", {}, "input shape"),
        ("users_networks:plain", {"shape": (1, 5, 5)}, r"\(1, 5, 5\)"),
        ("users_networks:plain", {"shape": (1, 6, 6), "classes": 3}, "--classes 3"),
        ("users_networks:fails", {"shape": (1, 6, 6)}, r"fails failed with TypeError.*users_networks\.py, line 12"),
    ],
)
def test_what_cannot_be_opened_is_refused(spec: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_network(spec, **options)


def test_a_run_folder_has_its_own_weights_classes_and_shape(
    make_opened: Callable[..., Opened], pixels: Dataset
) -> None:
    opened = make_opened("tiny")
    save_run(Path("run"), opened.network, opened.origin, about={}, metrics={})
    for name, value in (("weights", Path("w")), ("classes", 3), ("shape", (1, 6, 6))):
        with pytest.raises(InputError, match="has its own"):
            open_network("run", **{name: value})
    with pytest.raises(InputError, match=r"\(1, 8, 8\) of digits, it was made for \(1, 6, 6\)"):
        open_network("run", dataset=load_data("digits"))
    assert open_network("run", dataset=pixels).is_trained


# What a number means


def test_a_number_is_a_name_only_where_nothing_is_counted() -> None:
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    cnn = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    for network in (mlp, Normalised(mlp, [0.0], [1.0]), capture(mlp, torch.zeros(2, 1, 2, 2))):
        assert [meant(layer, network) for layer in (2, 9, "2", "*")] == ["2", 9, "2", "*"]
    for network in (cnn, capture(cnn, torch.zeros(2, 1, 2, 2))):
        assert meant(1, network) == 1
    assert isinstance(capture(mlp, torch.zeros(2, 1, 2, 2)), GraphNetwork)


def test_a_method_gets_what_is_meant() -> None:
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert with_meant_layers(ActiveSubspace(layer=2), mlp).layer == "2"
    assert with_meant_layers(ActiveSubspace(layer=(1, "2")), mlp).layer == ("1", "2")
    assert with_meant_layers(Study(), mlp).layer == ()


# What a run was made from


def test_identity_follows_trained_weights_and_every_pixel(make_opened: Callable[..., Opened], pixels: Dataset) -> None:
    opened = make_opened("tiny")
    first = identity(opened, pixels)
    assert identity(opened, pixels) == first
    with torch.no_grad():
        next(opened.network.parameters())[0, 0] += 1e-3
    assert {name for name, value in identity(opened, pixels).items() if value != first[name]} == {"weights"}
    images = pixels.test.images.clone()
    images[0, 0, 0, 0] ^= 1
    other = replace(pixels, test=replace(pixels.test, images=images))
    assert {name for name, value in identity(opened, other).items() if value != identity(opened, pixels)[name]} == {
        "images"
    }
    assert identity(replace(opened, is_trained=False), pixels)["weights"] is None


# Other people's code


def test_a_users_mistake_says_where_and_keeps_its_cause() -> None:
    with (
        pytest.raises(InputError, match=r"a:b failed with ZeroDivisionError: .*test_networks\.py") as caught,
        users_code("a:b"),
    ):
        1 / 0  # noqa: B018
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_is_not_the_users_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), users_code("digits"):
        1 / 0  # noqa: B018
    with pytest.raises(InputError, match=r"^mine$"), users_code("a:b"):
        raise InputError("mine")
    with pytest.raises(KeyboardInterrupt), users_code("a:b"):
        raise KeyboardInterrupt


class Looks(nn.Module):
    """Its way depends on what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.out(x.flatten(1))
        return 2 * x if x.sum() > 0 else x


def test_a_network_that_cannot_be_captured_is_refused_quietly(
    make_opened: Callable[..., Opened], capfd: pytest.CaptureFixture[str]
) -> None:
    check_capture(make_opened("residual"))
    with pytest.raises(InputError, match="Looks cannot be captured"):
        check_capture(replace(make_opened("tiny"), network=Looks()))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("stored", "found"), [("digits", "digits"), ("digits[1,7]", "digits[1,7]"), ("holidays", None), (None, None)]
)
def test_a_run_folder_names_its_data_where_the_zoo_has_them(
    tmp_path: Path, stored: str | None, found: str | None
) -> None:
    (tmp_path / "description.json").write_text(json.dumps({} if stored is None else {"data": stored}))
    assert data_of_run(str(tmp_path)) == found
    assert data_of_run("vgg_digits") is data_of_run(str(tmp_path / "none")) is None
