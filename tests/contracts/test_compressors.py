"""What every compressor keeps to beside the contract of all methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.compress import Compressed
from corank.errors import InputError
from corank.network import GraphNetwork, Weighted, cost, load_graph, save_graph, weighted_layers
from corank.network.exporting import export, load_exported
from corank.train import accuracy

from ..compress import polynomial
from .methods import COMPRESSORS, Data, Snapshot, data, leaves, lively, options_of, smallest, timeless


@pytest.fixture(params=list(COMPRESSORS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def compressed(name: str) -> tuple[nn.Module, Compressed]:
    """A network, and what the method makes of it."""
    network = lively()
    made = smallest(COMPRESSORS[name]).compress(network, data())
    assert isinstance(made, Compressed)
    return network, made


shared = cache(compressed)
"""The same, once for all tests that only look at it."""


@pytest.mark.parametrize("size", [1, 2, 7])
def test_outputs_have_the_shape_they_had(name: str, size: int) -> None:
    network, x = lively().eval(), torch.rand(size, 1, 4, 4)
    made = shared(name)[1].network
    with torch.no_grad():
        assert made(x).shape == network(x).shape
        assert made(x).dtype == network(x).dtype


def test_the_cost_is_that_of_the_network_that_is_returned(name: str) -> None:
    network, made = shared(name)
    assert made.overall == cost(made.network, (1, 4, 4))
    assert made.original == cost(network, (1, 4, 4))
    assert made.overall.parameters == sum(value.numel() for value in made.network.parameters())
    assert made.storage_ratio == made.original.storage_bytes / made.overall.storage_bytes
    assert made.multiply_adds_ratio == made.original.multiply_adds / made.overall.multiply_adds


def test_its_changes_are_those_between_both_networks(name: str) -> None:
    network, made = shared(name)
    one, other = ({layer.name: layer for layer in weighted_layers(each)} for each in (network, made.network))
    assert {row.layer for row in made.changes} == one.keys() | other.keys()
    assert {row.what for row in made.changes} != {"kept"} or made.overall != made.original
    for row in made.changes:
        was, now = one.get(row.layer), other.get(row.layer)
        assert row.was == (None if was is None else tuple(was.weight.shape))
        assert row.now == (None if now is None else tuple(now.weight.shape))
        assert (row.what == "new") == (was is None)
        assert (row.what == "removed") == (now is None)
        if was is not None and now is not None and was.weight.shape == now.weight.shape:
            assert row.what == ("kept" if all(map(torch.equal, pair(was), pair(now))) else "retrained")
    assert made.why
    assert "\n" not in made.why


def pair(layer: Weighted) -> tuple[Tensor, Tensor]:
    """The weight and the bias, or nothing."""
    return layer.weight, torch.zeros(0) if layer.bias is None else layer.bias


def test_training_is_told_and_what_it_began_with_is_kept(name: str) -> None:
    if "epochs" not in options_of(COMPRESSORS[name]):
        pytest.skip("the method does not train")
    method, validation = smallest(COMPRESSORS[name]), data(2)
    made = method.compress(lively(), data(), validation=validation)
    assert len(made.training.rows) == method.epochs
    assert made.training.rows[-1].validation_accuracy == accuracy(made.network, validation)
    shapes = [{key: value.shape for key, value in each.named_parameters()} for each in (made.fitted, made.network)]
    assert shapes[0] == shapes[1]
    pairs = zip(made.fitted.parameters(), made.network.parameters(), strict=True)
    assert not all(torch.equal(*values) for values in pairs)


def test_it_saves_and_loads_bit_for_bit(name: str, tmp_path: Path) -> None:
    made = compressed(name)[1].network
    assert isinstance(made, GraphNetwork)
    save_graph(made, tmp_path)
    again, x = load_graph(tmp_path), data(1)[0][0]
    for is_training in (False, True):
        outputs = []
        for network in (made, again):
            torch.manual_seed(0)
            outputs.append(network.train(is_training)(x).detach())
        assert torch.equal(*outputs)
    assert {key: tuple(value.shape) for key, value in again.named_parameters()} == {
        key: tuple(value.shape) for key, value in made.named_parameters()
    }


def test_it_shares_no_memory_with_the_callers_network(name: str) -> None:
    theirs, ours = (
        {value.untyped_storage().data_ptr() for value in (*network.parameters(), *network.buffers())}
        for network in (shared(name)[0], shared(name)[1].network)
    )
    assert not theirs & ours


def test_it_can_be_trained_on(name: str) -> None:
    made = compressed(name)[1].network.train()
    x, y = data(1)[0]
    nn.functional.cross_entropy(made(x), y).backward()
    assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in made.parameters())


class Interrupting:
    """The data, which the user interrupts at a batch, counted over all passes."""

    def __init__(self, after: float = math.inf) -> None:
        self.after = after
        self.drawn = 0

    def __len__(self) -> int:
        return len(data())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in data():
            if self.drawn >= self.after:
                raise KeyboardInterrupt
            self.drawn += 1
            yield batch


def test_what_is_interrupted_again_and_again_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    """Each time somewhat later than the time before, so that it comes to its end, and within most of its stages."""
    longer = {"epochs": 2} if "epochs" in options_of(COMPRESSORS[name]) else {}
    method, network, whole = smallest(COMPRESSORS[name], **longer), lively(), Interrupting()
    expected, before, found, times = method.compress(network, whole), Snapshot.of(network), None, 0
    while found is None:
        try:
            found = method.compress(network, Interrupting(times * max(1, whole.drawn // 5)), checkpoint=tmp_path)
        except KeyboardInterrupt:
            times += 1
        assert Snapshot.of(network) == before
    assert times >= 2
    assert timeless(found.to_dict()) == timeless(expected.to_dict())
    tensors = [[leaf for leaf in leaves(result) if isinstance(leaf, Tensor)] for result in (found, expected)]
    assert all(torch.equal(*pair) for pair in zip(*tensors, strict=True))


class Turned:
    """The data in an order that follows from the epoch."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([*data()[self.epoch :], *data()[: self.epoch]])


def test_batches_that_were_used_before_give_what_fresh_ones_give(name: str) -> None:
    method, network, used = smallest(COMPRESSORS[name]), lively(), Turned()
    used.set_epoch(3)
    found, expected = method.compress(network, used), method.compress(network, Turned())
    assert timeless(found.to_dict()) == timeless(expected.to_dict())


def test_a_checkpoint_of_another_network_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    method, network = smallest(COMPRESSORS[name]), lively()
    method.compress(network, data(), checkpoint=tmp_path)
    if not any(tmp_path.iterdir()):
        pytest.skip("the method keeps nothing")
    with torch.no_grad():
        next(network.parameters()).add_(1e-3)
    with pytest.raises(InputError, match=r"weights was sha256 .*give the same options, or another folder") as caught:
        method.compress(network, data(), checkpoint=tmp_path)
    assert "\n" not in str(caught.value)


Example = tuple[nn.Module, Data, dict[str, Any]]


def a_polynomial() -> Example:
    return polynomial.network(3, 2, ratio=10.0), polynomial.data(), {"layer": "2", "rank": 3, "order": 2, "epochs": 0}


def a_low_rank_network() -> Example:
    """Every neuron is a positive multiple of one of three of its layer, also after ReLU."""
    chance = torch.Generator().manual_seed(0)
    layers = [nn.Linear(polynomial.INPUTS, 9), nn.Linear(9, 12), nn.Linear(12, polynomial.CLASSES)]
    for layer in layers[:2]:
        of, scales = torch.arange(layer.out_features) % 3, torch.rand(layer.out_features, generator=chance) + 0.5
        layer.weight.data = torch.randn(3, layer.in_features, generator=chance)[of] * scales[:, None]
        layer.bias.data = torch.randn(3, generator=chance)[of] * scales
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    return network, polynomial.data(), {"rank": 3, "epochs": 0}


EXAMPLES: dict[str, Callable[[], Example]] = {"polynomial": a_polynomial, "low-rank": a_low_rank_network}
"""A network of each kind on which a compressor may declare to be exact."""


def test_it_is_exact_where_it_declares_to_be(name: str) -> None:
    for kind in COMPRESSORS[name].exact_on:
        network, batches, options = EXAMPLES[kind]()
        made = COMPRESSORS[name](**options).compress(network, batches)
        x: Tensor = torch.cat([x for x, _ in batches])
        with torch.no_grad():
            error = polynomial.relative(made.network(x), network.eval()(x))
        assert error <= 1e-4
        assert math.isfinite(error)


def test_some_compressor_declares_to_be_exact() -> None:
    assert any(method.exact_on for method in COMPRESSORS.values())


@pytest.mark.parametrize("suffix", ["onnx", "pt2"])
def test_it_exports_to_a_file_that_computes_the_same(name: str, suffix: str, tmp_path: Path) -> None:
    made, file = shared(name)[1].network, tmp_path / f"small.{suffix}"
    said = export(made, file, (1, 4, 4))
    assert said.difference <= said.allowed_difference < 1e-4
    x = data(1)[0][0]
    with torch.no_grad():
        torch.testing.assert_close(load_exported(file)(x), made(x), rtol=0, atol=1e-4)
