from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import Adapted, Reader, Skipped, select
from corank.network.guard import unchanged

from .other_inputs import Case, cases
from .test_reader import assert_close, loss


@pytest.fixture(params=list(cases()))
def case(request: pytest.FixtureRequest) -> Case:
    return cases()[request.param]


class Recorded:
    """Every module's output in one run by itself: copies of the values, and the gradient of the loss at them."""

    def __init__(self, case: Case, sample: int, paths: list[str]) -> None:
        self.values: dict[str, list[Tensor]] = {path: [] for path in paths}
        kept: dict[str, list[Tensor]] = {path: [] for path in paths}

        def hook_of(path: str) -> Callable[..., object]:
            def hook(module: nn.Module, inputs: object, output: object) -> object:
                first = output[0] if isinstance(output, tuple) else output
                self.values[path].append(first.detach().clone())
                kept[path].append(first)
                copy = first.clone()
                return (copy, *output[1:]) if isinstance(output, tuple) else copy

            return hook

        handles = [case.network.get_submodule(path).register_forward_hook(hook_of(path)) for path in paths]
        x = select(case.batch(3), slice(sample, sample + 1))
        returned = Adapted(case.network)(x)
        self.logits = returned.detach()
        self.losses = loss(returned)
        flat = [value for path in paths for value in kept[path]]
        found = iter(torch.autograd.grad(self.losses.sum(), flat))
        self.gradients = {path: [next(found) for _ in kept[path]] for path in paths}
        for handle in handles:
            handle.remove()


def test_every_module_is_read_as_one_sample_at_a_time_gives_it(case: Case) -> None:
    reader = Reader(case.network, "*", case.batch(2))
    with unchanged(case.network):
        reading = reader.read(case.batch(3), loss)
        values = reader.activations(case.batch(3))
    paths = list(dict.fromkeys(point.label.partition("@")[0] for point in reader.points))
    for sample in range(3):
        alone = Recorded(case, sample, paths)
        assert torch.allclose(reading.logits[sample], alone.logits[0], rtol=1e-12)
        assert torch.allclose(reading.losses[sample], alone.losses[0], rtol=1e-12)
        for label, activation in reading.activations.items():
            path, _, order = label.partition("@")
            call = int(order or 0)
            for found, expected in [
                (activation[sample], alone.values[path][call][0]),
                (values[label][sample], alone.values[path][call][0]),
                (reading.gradients[label][sample], alone.gradients[path][call][0]),
            ]:  # sums in another order, 1e-16 each, relative to the largest entry
                assert (found - expected).abs().max() <= 1e-13 * max(1e-3, float(expected.abs().max())), label


@pytest.mark.parametrize(
    ("name", "labels", "skipped"),
    [
        (
            "encoder",
            [
                "embed",
                *(f"blocks.{n}.{part}" for n in (0, 1) for part in ("attention", "wide", "narrow")),
                "pooler",
            ],
            {
                "place": "its output has not the batch first: (6, 8) for 2 samples",
                "blocks.0.attention.out_proj": "it did not run on the example",
                "blocks.1.attention.out_proj": "it did not run on the example",
                "unused": "it did not run on the example",
            },
        ),
        ("two", ["conv", "vector"], {}),
        (
            "deciding",
            ["lstm", "shared@0", "shared@1"],
            {
                "counting": "its output is torch.int64, which has no gradient",
                "idle": "it did not run on the example",
                "aside": "the logits do not depend on it",
            },
        ),
    ],
)
def test_star_is_every_module_with_weights_that_ran_but_the_last(
    name: str, labels: list[str], skipped: dict[str, str]
) -> None:
    reader = Reader(cases()[name].network, "*", cases()[name].batch(1))
    assert [point.label for point in reader.points] == labels
    assert set(reader.skipped) == {Skipped(layer, reason) for layer, reason in skipped.items()}


def test_globs_match_modules_of_any_kind_and_tell_what_they_leave_out() -> None:
    case = cases()["encoder"]
    reader = Reader(case.network, ["blocks.0*", "pooler"], case.batch(2))
    assert [point.label for point in reader.points] == [
        *(f"blocks.0.{part}" for part in ("attention", "norm", "wide", "activation", "narrow")), "blocks.0", "pooler",
    ]  # fmt: skip
    assert reader.skipped == (Skipped("blocks.0.attention.out_proj", "it did not run on the example"),)
    assert len(Reader(case.network, "*", case.batch(2)).skipped) == 4


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (1, r"layer 1 needs the network's graph, but the network takes several tensors, input_ids \(2, 6\) of"),
        ("poler", "no layer 'poler' in the network: did you mean pooler"),
        ("zz*", r"no layer matches 'zz\*'"),
        ("unused", "layer 'unused' did not run"),
        ("blocks.0.wide@1", "layer 'blocks.0.wide@1' did not run"),
    ],
)
def test_wrong_layers_are_named(layer: str | int, message: str) -> None:
    case = cases()["encoder"]
    with pytest.raises(InputError, match=message):
        Reader(case.network, layer, case.batch(2))


def test_a_network_whose_only_module_gives_the_logits_has_nothing_to_read() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.only = nn.Linear(2, 2)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.only(x + y)

    with pytest.raises(InputError, match="no layer to read"):
        Reader(Single(), "*", (torch.zeros(2, 2), torch.zeros(2, 2)))


class Aliased(nn.Module):
    """What a layer returned is changed in place under another name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.same, self.last = nn.Linear(3, 3), nn.Identity(), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x) if x.sum() < 1e9 else x
        y = self.same(x)
        x += 1
        return self.last(x * y)


def test_a_value_that_changes_under_another_name_is_refused_rather_than_misread() -> None:
    net, x = Aliased(), torch.randn(4, 3)
    reader = Reader(net, "same", x)
    assert torch.equal(reader.activations(x)["same"], net.first(x))
    with pytest.raises(InputError, match="layer 'same' is also changed in place under another name"):
        reader.gradients(x, lambda logits: logits.sum(1))


class Branching(nn.Module):
    """Its control flow depends on values, so that it has no graph."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.shared, self.last = nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2)
        self.pair = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        x = self.shared(x) if x.sum() > 1e6 else self.shared(-x)
        return self.last(self.shared(torch.relu_(x)))


def test_a_network_without_a_graph_is_read_at_its_modules() -> None:
    net, x = Branching().double(), torch.randn(5, 4, dtype=torch.float64)
    reader = Reader(net, ["first", "shared@0", "shared@1"], x)
    values, gradients = reader.activations(x), reader.gradients(x, loss)
    assert torch.equal(values["shared@0"], net.shared(-torch.tanh(net.first(x))))
    assert torch.equal(values["shared@1"], net.shared(torch.relu(values["shared@0"])))
    leaf = values["shared@0"].requires_grad_()
    total = loss(net.last(net.shared(torch.relu(leaf)))).sum()
    assert_close(gradients["shared@0"], torch.autograd.grad(total, leaf)[0], 1e-12)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("shared", "layer 'shared' is called several times: name one of shared@0, shared@1"),
        ("shared@7", "layer 'shared@7' did not run"),
        ("shared@x", "layer 'shared@x' must be a name, or a name and the number of a call as in shared@0"),
        ("firts", "no layer 'firts' in the network: did you mean first"),
        (1, "layer 1 needs the network's graph, but Branching cannot be captured"),
        ("z*", r"no layer matches 'z\*': known: first, shared, last"),
        ("pair", "layer 'pair' did not run"),
    ],
)
def test_wrong_layers_of_a_network_without_a_graph_are_named(layer: int | str, message: str) -> None:
    x = torch.randn(5, 4)
    with pytest.raises(InputError, match=message):
        Reader(Branching(), layer, x).activations(x)
