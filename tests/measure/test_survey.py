"""A survey is its measures one by one, whatever the memory and the kind of network; what is left out is listed."""

from __future__ import annotations

import math
import weakref
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.linalg import FrequentDirections
from corank.measure import (
    ActivationSpectrum,
    ActiveSubspace,
    FeatureProbe,
    LayerCushion,
    MutualInformation,
    Survey,
    Surveyed,
    WeightSpectrum,
)
from corank.measure.plan import MEGABYTE
from corank.measure.running import _Pass
from corank.network import Adapted

CLASSES = 3
Data = list[tuple[Any, Tensor]]


def net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(80, 12),
        nn.ReLU(), nn.Linear(12, CLASSES),
    )  # fmt: skip


def data(batches: int = 12, size: int = 20) -> Data:
    chance = torch.Generator().manual_seed(1)
    return [
        (torch.randn(size, 1, 6, 6, generator=chance), torch.randint(CLASSES, (size,), generator=chance))
        for _ in range(batches)
    ]


def survey(network: nn.Module, batches: Data, **options: Any) -> Surveyed:
    return Survey(**{"rank": 4, "sketch_size": 100, **options}).measure(network, batches)


def close(one: Any, other: Any) -> bool:
    """Equal up to the rounding of single precision."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-7) if isinstance(one, float) else one == other


def test_a_survey_is_its_measures_one_by_one() -> None:
    found = survey(net(), data(), seed=5, replicates=20)
    alone = {
        "active": ActiveSubspace(rank=4, sketch_size=100, seed=5, replicates=20),
        "activations": ActivationSpectrum(rank=4, sketch_size=100, seed=5),
        "weights": WeightSpectrum(),
        "cushions": LayerCushion(seed=5),
        "information": MutualInformation(seed=5),
    }
    for name, measure in alone.items():
        assert close(measure.measure(net(), data()).to_dict(), getattr(found, name).to_dict()), name
    assert found.probes is not None
    # Its folds are drawn by the seed of the measure, 0 in a survey.
    assert close(FeatureProbe(rank=4, sketch_size=100).measure(net(), data()).to_dict(), found.probes.to_dict())


def test_a_small_memory_means_more_passes_and_the_same_result() -> None:
    passes = []

    class Counted(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            passes.append(len(passes))
            return super().__iter__()

    plenty = survey(net(), Counted(data()))
    many = len(passes)
    widest = 144 * 4 * (3 * 2 * 100 + 1000) / MEGABYTE
    little = survey(net(), Counted(data()), memory_mb=1.01 * widest)
    assert len(passes) - many > many
    assert close(plenty.to_dict(), little.to_dict())


def test_a_layer_that_does_not_fit_alone_gets_a_smaller_sketch_and_says_so() -> None:
    heldout = 144 * 4 * 1000 / MEGABYTE
    found = survey(net(), data(), memory_mb=1.2 * heldout)
    assert found.active is not None
    sizes = {layer.layer: layer.sketch_size for layer in found.active.layers}
    assert sizes["1"] < 100
    with pytest.raises(InputError, match=r"memory_mb must be at least"):
        survey(net(), data(), memory_mb=0.1)


class Tokens(nn.Module):
    """A small encoder over tokens with two inputs by name and an output with logits, as transformers have."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(11, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> OrderedDict[str, Tensor]:
        h = self.encoder(self.embed(input_ids), src_key_padding_mask=attention_mask == 0)
        weights = attention_mask[:, :, None].float()
        return OrderedDict(logits=self.head((h * weights).sum(1) / weights.sum(1)))


def texts(batches: int = 12, size: int = 16) -> list[dict[str, Tensor]]:
    chance = torch.Generator().manual_seed(2)
    found = []
    for _ in range(batches):
        mask = torch.ones(size, 5, dtype=torch.int64)
        mask[: size // 2, 3:] = 0
        tokens = torch.randint(11, (size, 5), generator=chance)
        labels = torch.randint(CLASSES, (size,), generator=chance)
        found.append({"input_ids": tokens, "attention_mask": mask, "labels": labels})
    return found


@pytest.mark.parametrize("adapted", [False, True])
def test_mappings_with_labels_and_outputs_with_logits_are_measured(adapted: bool) -> None:
    network = Adapted(Tokens(), inputs=("input_ids", "attention_mask")) if adapted else Tokens()
    found = survey(network, texts(), layer="*")  # type: ignore[arg-type]
    assert found.active is not None
    assert {layer.layer for layer in found.active.layers} >= {"encoder.linear1", "encoder.linear2"}
    assert all(layer.width in (40, 80) for layer in found.active.layers)
    assert {layer.layout for layer in found.active.layers} == {"all features of a sample in one row"}
    assert found.active.samples + found.active.samples_heldout == 12 * 16


def test_tokens_can_be_kept_apart() -> None:
    found = survey(Tokens(), texts(), layer="encoder.linear1", tokens="kept")  # type: ignore[arg-type]
    assert found.active is not None
    (layer,) = found.active.layers
    assert (layer.width, layer.samples) == (16, 5 * found.active.samples)
    assert layer.layout == "a row for each token"
    # All energy is counted whichever way the tokens are laid out: per sample it is the same.
    flat = survey(Tokens(), texts(), layer="encoder.linear1").active  # type: ignore[arg-type]
    assert flat is not None
    assert math.isclose(5 * layer.mean_squared_gradient, flat.layers[0].mean_squared_gradient, rel_tol=1e-5)


def test_several_inputs_by_position() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.left, self.right, self.head = nn.Linear(4, 6), nn.Linear(3, 6), nn.Linear(6, CLASSES)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return self.head(torch.relu(self.left(a) * self.right(b)))

    chance = torch.Generator().manual_seed(0)
    batches: Data = [
        ((torch.randn(20, 4, generator=chance), torch.randn(20, 3, generator=chance)),
         torch.randint(CLASSES, (20,), generator=chance))
        for _ in range(10)
    ]  # fmt: skip
    found = survey(Two(), batches)
    assert found.active is not None
    assert [layer.layer for layer in found.active.layers] == ["left", "right"]


def test_half_precision_is_near_full_precision() -> None:
    full = survey(net(), data()).active
    half = survey(net(), data(), precision="bf16-mixed").active
    assert full is not None
    assert half is not None
    assert half.precision == "bf16-mixed"
    for one, other in zip(full.layers, half.layers, strict=True):
        # bfloat16 has 8 bits
        assert math.isclose(one.mean_squared_gradient, other.mean_squared_gradient, rel_tol=0.05)
        assert one.eigenvalues != other.eigenvalues


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graphics_card_finds_what_the_processor_finds() -> None:
    on_card = survey(net().cuda(), data()).active
    expected = survey(net(), data()).active
    assert on_card is not None
    assert expected is not None
    for one, other in zip(expected.layers, on_card.layers, strict=True):
        assert math.isclose(one.eigenvalues[0], other.eigenvalues[0], rel_tol=1e-3)


def test_time_that_is_used_up_is_said() -> None:
    found = survey(net(), data(), budget_seconds=1e-6)
    assert found.active is not None
    assert found.active.samples == 16  # the first batch, four of its samples held out
    assert found.activations is None
    reasons = {skip.measure: skip.reason for skip in found.skipped}
    assert reasons["activation-spectrum"] == "left out: the time budget of 1e-06 s was used up"
    assert {"mutual-information", "feature-probe"} <= reasons.keys()


def test_nothing_but_the_reason_is_left_of_what_fails() -> None:
    network = net()
    nn.init.zeros_(network[7].weight)  # no gradient reaches the hidden layers
    found = survey(network, data())
    assert found.active is None
    assert found.activations is not None
    (skip,) = [skip for skip in found.skipped if skip.measure == "active-subspace" and skip.layer == "all layers"]
    assert "is zero for all" in skip.reason


def test_a_survey_is_a_row_a_layer() -> None:
    made = survey(net(), data()).to_dict()
    assert [row["layer"] for row in made["layers"]] == ["1", "3", "6"]
    for row in made["layers"]:
        assert {"active_neurons", "eigenvalues", "activations", "information", "probe"} <= row.keys()
    assert len(made["weights"]["layers"]) == len(made["cushions"]["layers"]) == 4


def test_nothing_of_a_finished_pass_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or several passes would hold as much as one: every sketch is gone before the next pass begins."""
    alive: list[weakref.ref[Any]] = []
    made = FrequentDirections.__init__

    def noted(self: FrequentDirections, *args: Any, **options: Any) -> None:
        alive.append(weakref.ref(self))
        made(self, *args, **options)

    held_at_start: list[int] = []
    begin = _Pass.run

    def counted(self: _Pass, *rest: Any) -> None:
        held_at_start.append(sum(one() is not None for one in alive))
        begin(self, *rest)

    monkeypatch.setattr(FrequentDirections, "__init__", noted)
    monkeypatch.setattr(_Pass, "run", counted)
    survey(net(), data(), memory_mb=1.01 * 144 * 4 * (3 * 2 * 100 + 1000) / MEGABYTE)
    assert len(held_at_start) >= 2
    assert held_at_start[1:] == [0] * (len(held_at_start) - 1)


def test_layers_of_several_passes_have_their_share_of_the_time() -> None:
    widest = 144 * 4 * (3 * 2 * 100 + 1000) / MEGABYTE
    found = survey(net(), data(2000), memory_mb=1.01 * widest, budget_seconds=4.0)
    assert found.active is not None
    counts = [layer.samples for layer in found.active.layers]
    assert min(counts) > max(counts) / 20
    assert any("further samples" in skip.reason for skip in found.skipped) or min(counts) == max(counts)
