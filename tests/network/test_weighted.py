from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import Adapted, Normalised, Weighted, capture, weighted_layers
from corank.zoo.nets import vgg19

from .architectures import build, captured
from .other_inputs import cases


def unrolled(module: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """The matrix of the linear map of a layer: its outputs for the unit vectors, without the bias."""
    size = math.prod(shape)
    units = torch.eye(size, dtype=torch.float64).view(size, *shape)
    zero = torch.zeros(1, *shape, dtype=torch.float64)
    return (module(units) - module(zero)).detach().flatten(1).T


CONVOLUTIONS = [
    (nn.Conv1d(2, 3, 3, padding=2, dilation=2), (2, 7)),
    (nn.Conv1d(4, 6, 2, stride=3, groups=2, bias=False), (4, 9)),
    (nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), (2, 5, 6)),
    (nn.Conv2d(4, 4, 5, padding=2, groups=4), (4, 3, 3)),
    (nn.Conv2d(2, 2, (4, 3), padding="same"), (2, 5, 5)),
    (nn.Conv2d(2, 2, 3, padding="valid"), (2, 4, 5)),
    (nn.Conv2d(2, 2, 3, padding_mode="circular"), (2, 4, 4)),
    (nn.Conv3d(1, 2, 2, stride=2, padding=1), (1, 3, 4, 3)),
    (nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1), (2, 4)),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2), (4, 3, 4)),
    (nn.ConvTranspose2d(2, 2, (2, 3), dilation=2, padding=(0, 3)), (2, 4, 5)),
    (nn.ConvTranspose3d(2, 1, 2, stride=2), (2, 2, 3, 2)),
    (nn.Linear(4, 3), (4,)),
    (nn.Linear(4, 3, bias=False), (2, 5, 4)),
]


@pytest.mark.parametrize(("module", "shape"), CONVOLUTIONS, ids=[str(module) for module, _ in CONVOLUTIONS])
def test_the_norm_by_counting_is_that_of_the_unrolled_matrix(module: nn.Module, shape: tuple[int, ...]) -> None:
    net = nn.Sequential(module.double())
    matrix = unrolled(module, shape)
    example = torch.zeros(2, *shape, dtype=torch.float64)
    for layer in (weighted_layers(net)[0], weighted_layers(capture(net, example))[0]):
        assert layer.norm_unrolled(shape) == pytest.approx(float(matrix.norm()), rel=1e-12)
        if not isinstance(module, nn.Linear):
            assert layer.norm_unrolled(shape[1:]) == layer.norm_unrolled(shape)
        assert len(layer.matrix) == module(example).shape[-1 if isinstance(module, nn.Linear) else 1]
        assert layer.norm == pytest.approx(float(layer.matrix.norm()), rel=1e-12)
        assert layer.parameters == sum(parameter.numel() for parameter in module.parameters())


@given(
    length=st.integers(1, 9), kernel=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 4),
    dilation=st.integers(1, 3), is_transposed=st.booleans(),
)  # fmt: skip
def test_counting_holds_for_any_convolution_that_has_an_output(
    is_transposed: bool, length: int, **options: Any
) -> None:
    kernel = options.pop("kernel")
    module = (nn.ConvTranspose1d if is_transposed else nn.Conv1d)(1, 1, kernel, bias=False, **options).double()
    layer = weighted_layers(nn.Sequential(module))[0]
    try:
        matrix = unrolled(module, (1, length))
    except RuntimeError:
        with pytest.raises(InputError, match="has no output for an image"):
            layer.norm_unrolled((1, length))
    else:
        assert layer.norm_unrolled((1, length)) == pytest.approx(float(matrix.norm()), rel=1e-12)


def test_the_matrix_of_a_transposed_convolution_maps_inputs_to_outputs() -> None:
    module = nn.ConvTranspose2d(4, 6, 1, groups=2, bias=False).double()
    matrix = weighted_layers(nn.Sequential(module))[0].matrix
    x = torch.randn(1, 4, 1, 1, dtype=torch.float64)
    halves = x.flatten().view(2, 2)
    mapped = torch.cat([matrix[:3] @ halves[0], matrix[3:] @ halves[1]])
    assert torch.allclose(mapped, module(x).flatten())


def describe(layers: tuple[Weighted, ...]) -> list[tuple[str, str, int | None]]:
    return [(layer.name, layer.kind, layer.index) for layer in layers]


def test_every_kind_is_listed_once_by_name() -> None:
    net = cases()["encoder"].network
    found = describe(weighted_layers(net))
    assert found == [
        ("embed", "embedding", None), ("place", "embedding", None),
        *((f"blocks.{n}.{name}", kind, None) for n in (0, 1) for name, kind in [
            ("attention.in_proj_weight", "attention"), ("attention.out_proj", "linear"), ("wide", "linear"),
            ("narrow", "linear")]),
        ("pooler", "linear", None), ("unused", "linear", None), ("classifier", "linear", None),
    ]  # fmt: skip
    assert describe(weighted_layers(Adapted(net))) == found
    assert describe(weighted_layers(build("recurrent").network))[:2] == [
        ("lstm.weight_ih_l0", "recurrent", None), ("lstm.weight_hh_l0", "recurrent", None)]  # fmt: skip
    layer = weighted_layers(build("recurrent").network)[0]
    assert layer.bias is build("recurrent").network.lstm.bias_ih_l0 or layer.bias.shape == (16,)
    tied = weighted_layers(build("tied").network)
    assert describe(tied) == [("encode", "linear", None), ("middle", "linear", None)]
    net.classifier = nn.Linear(8, 11)
    net.classifier.weight = net.embed.weight
    assert describe(weighted_layers(net)) == found[:-1]
    assert [name for name, _, _ in describe(weighted_layers(build("nested_shared").network))] == [
        "a",
        "block.0",
        "last",
    ]


KINDS = ["functional", "nested_shared", "tied", "text_transformer", "bottleneck", "unet", "recurrent", "depthwise"]


@pytest.mark.parametrize("name", KINDS)
def test_the_graph_tells_the_same_matrices_as_the_modules(name: str) -> None:
    found = captured(name)
    alone = {layer.name: layer for layer in weighted_layers(found.graph)}
    expected = {layer.name: layer for layer in weighted_layers(found.architecture.network)}
    if name == "text_transformer":  # in the graph it is a linear map of its input
        assert {layer.kind for layer in expected.values()} - {layer.kind for layer in alone.values()} == {"attention"}
    assert set(alone) == set(expected)
    for label, layer in alone.items():
        other = expected[label]
        assert (other.kind == layer.kind) or other.kind == "attention"
        assert layer.weight is other.weight
        assert layer.bias is other.bias
        for option in ("groups", "stride", "padding", "padding_after", "dilation", "output_padding"):
            assert getattr(layer, option) == getattr(other, option), option


def test_convolutions_know_their_numbers_where_there_is_a_graph() -> None:
    found = captured("bottleneck")
    example = found.architecture.batch(2)
    numbered = {layer.name: layer.index for layer in weighted_layers(found.architecture.network, example)}
    convolutions = [name for name, index in numbered.items() if index is not None]
    assert [numbered[name] for name in convolutions] == list(range(1, 8))
    assert numbered["block1.downsample.0"] is None
    assert {layer.name: layer.index for layer in weighted_layers(found.graph)} == numbered
    assert {layer.index for layer in weighted_layers(found.architecture.network)} == {None}
    wrapped = Normalised(found.architecture.network, [0.0, 0.0], [1.0, 1.0])
    assert {layer.name: layer.index for layer in weighted_layers(wrapped, example)} == numbered
    assert {layer.name: layer.index for layer in weighted_layers(capture(wrapped, example))} == numbered


def test_the_sixteen_convolutions_of_vgg19() -> None:
    layers = weighted_layers(vgg19(10), torch.zeros(2, 3, 32, 32))
    assert [layer.index for layer in layers] == [*range(1, 17), None]
    assert layers[15].matrix.shape == (512, 4608)


class Own(nn.Module):
    """Its weights have no module of their own, and one is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(3, 2, 3))
        self.table = nn.Parameter(torch.randn(1, 3, 4))
        self.last = nn.utils.parametrizations.weight_norm(nn.Linear(12, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.last((nn.functional.conv1d(x, self.kernel, padding=1) + self.table).flatten(1))


def test_a_graph_finds_weights_without_modules_and_computed_ones_are_those_of_the_layer() -> None:
    net = Own()
    found = weighted_layers(net, torch.zeros(2, 2, 4))
    assert describe(found) == [("last", "linear", None), ("kernel", "convolution", 1)]
    assert torch.equal(found[0].matrix, net.last.weight)
    assert found[1].weight is net.kernel
    assert describe(weighted_layers(net)) == [("last", "linear", None)]


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.Linear(3, 2), (4,), r"layer '0' takes \(..., 3\), got shape \(4,\)"),
        (nn.Linear(3, 2), (), r"layer '0' takes \(..., 3\), got shape \(\)"),
        (nn.Conv2d(3, 2, 3), (2, 8, 8), r"layer '0' takes 3 channels of 2-d images, got \(2, 8, 8\)"),
        (nn.Conv2d(3, 2, 3), (8,), r"layer '0' takes 3 channels of 2-d images, got \(8,\)"),
        (nn.Conv2d(3, 2, 3), (2, 2), r"layer '0' has no output for an image of shape \(2, 2\)"),
        (nn.Conv1d(1, 1, 3, padding=1, padding_mode="reflect"), (1, 8), "layer '0' pads with 'reflect'"),
        (nn.Embedding(3, 2), (8,), "of a linear layer or a convolution, not embedding"),
    ],
)
def test_shapes_and_kinds_without_a_count_are_refused(module: nn.Module, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        weighted_layers(nn.Sequential(module))[0].norm_unrolled(shape)
