"""Pruned networks: the right channels are gone, nothing else has changed, and the target is met closely."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corank.compress import ASNet, Prune, Pruned
from corank.compress.pruning import PruningPath, pruned_to, pruning_path
from corank.compress.pruning.groups import Trace, narrowed
from corank.compress.pruning.scores import importance_named
from corank.compress.pruning.sound import sound
from corank.errors import InputError
from corank.network import GraphNetwork, Normalised, capture, cost, load_graph, save_graph
from corank.network.modular import with_modules, without_fixed_widths
from corank.zoo.nets import VGG, PreActivationResNet, ResNet

from ..network import architectures

pytest.importorskip("torch_pruning")

Data = list[tuple[Tensor, Tensor]]


def lively(network: nn.Module) -> nn.Module:
    """With running statistics and scales of its own, all of them at work."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.2, 2.0)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(192, 60), nn.ReLU(), nn.Linear(60, 24), nn.Tanh(), nn.Dropout(0.1), nn.Linear(24, 3)
    )


def vgg() -> nn.Module:
    inner = VGG((16, "pool", 32, "pool", 64, "pool"), classes=3, in_channels=3)
    return Normalised(inner, [0.1, 0.2, 0.3], [1.0, 2.0, 0.5])


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "vgg": vgg,
    "resnet": lambda: ResNet(1, classes=3),
    "preresnet": lambda: PreActivationResNet(1, classes=3),
}
SHAPE = (3, 8, 8)


@cache
def network(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return lively(NETWORKS[name]())


@cache
def graph(name: str) -> GraphNetwork:
    return capture(network(name), torch.zeros(2, *SHAPE))


def data(batches: int = 3) -> Data:
    chance = torch.Generator().manual_seed(4)
    x, y = torch.randn(8 * batches, *SHAPE, generator=chance), torch.randint(3, (8 * batches,), generator=chance)
    return list(zip(x.split(8), y.split(8), strict=True))


def pruned(name: str, **options: Any) -> Pruned:
    return Prune(**{"epochs": 0, **options}).compress(graph(name), data())


def path_of(name: str, **options: Any) -> PruningPath:
    return pruning_path(graph(name), data()[0][0], **options)


def chain() -> nn.Sequential:
    torch.manual_seed(5)
    return lively(
        nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 6, 3), nn.ReLU(),
            nn.Flatten(), nn.Linear(216, 3),
        )
    )  # fmt: skip


def kept_filters(original: Tensor, now: Tensor) -> list[int]:
    """Which rows of a weight are left, told by their biases, of which no two are equal."""
    return [int((original == value).nonzero()) for value in now]


def gradients(net: nn.Module) -> dict[str, Tensor]:
    own = copy.deepcopy(net)
    x, y = (torch.cat(part) for part in zip(*data(), strict=True))
    nn.functional.cross_entropy(own(x), y, reduction="sum").backward()
    return {name: value.grad for name, value in own.named_parameters()}


def scores(net: nn.Sequential, importance: str) -> Tensor:
    """What the channels of the first convolution are worth, by the definitions."""
    first, scale, second = net[0].weight.detach(), net[1].weight.detach(), net[3].weight.detach()
    if importance == "batch-norm":
        return scale.abs()
    if importance == "taylor":
        slopes = gradients(net)
        return (first * slopes["0.weight"]).abs().sum((1, 2, 3)) + (second * slopes["3.weight"]).abs().sum((0, 2, 3))
    power = {"l1": 1, "l2": 2}[importance]
    norms = [weight.abs().pow(power).sum(axes) for weight, axes in ((first, (1, 2, 3)), (second, (0, 2, 3)))]
    return norms[0] + scale.abs().pow(power) + norms[1]


@pytest.mark.parametrize("importance", ["l1", "l2", "batch-norm", "taylor"])
def test_the_channels_that_go_are_the_least_important_ones(importance: Any) -> None:
    net = chain()
    made = Prune(multiply_adds_ratio=1.5, importance=importance, multiple=1, epochs=0).compress(net, data())
    assert made.widths[0].layer == "0"
    kept = kept_filters(net[0].bias, made.network.get_parameter("0.bias"))
    assert 1 < len(kept) == made.widths[0].after < 12
    assert kept == sorted(scores(net, importance).argsort(descending=True)[: len(kept)].tolist())
    for name, value in (("0.weight", net[0].weight), ("1.running_var", net[1].running_var)):
        assert torch.equal(made.network.state_dict()[name], value[kept])


@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_channels_that_nothing_reads_are_removed_without_a_trace(scope: Any) -> None:
    net = chain()
    idle = [1, 4, 5, 8, 9, 11]
    with torch.no_grad():
        net[3].weight[:, idle] = 0
        net[0].weight[idle] *= 1e-3
        net[1].weight[idle] *= 1e-3
    x = torch.randn(4, *SHAPE)
    small = pruned_to(
        capture(net, x), x, lambda one: one.get_parameter("0.bias").shape[0] <= 6, scope=scope, multiple=1, layer="0"
    ).network
    assert kept_filters(net[0].bias, small.get_parameter("0.bias")) == [0, 2, 3, 6, 7, 10]
    torch.testing.assert_close(small(x), net(x))


def unread(path: PruningPath, step: int, x: Tensor) -> Tensor:
    """What the whole network returns if the layers behind read zeros in the place of the channels that are gone."""
    whole = with_modules(path.graph)
    for group, kept in zip(path.groups, path.widths[step], strict=True):
        gone = torch.zeros(group.width * group.repeats, dtype=torch.bool)
        gone.view(group.repeats, -1)[:, group.importance.argsort()[: group.width - kept]] = True
        for member in group.members:
            if member.reads:
                axis = -1 if isinstance(whole.get_submodule(member.path), nn.Linear) else 1
                channels = member.channels[gone[member.roots]]
                whole.get_submodule(member.path).register_forward_pre_hook(
                    lambda _, inputs, axis=axis, channels=channels: inputs[0].index_fill(axis, channels, 0.0)
                )
    return whole(x)


class Dense(nn.Module):
    """Every layer reads all convolutions before it, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.conv1 = nn.Conv2d(6, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(10)
        self.conv2 = nn.Conv2d(10, 4, 3, padding=1)
        self.fc = nn.Linear(14, 3)

    def forward(self, x: Tensor) -> Tensor:
        one = torch.relu(self.stem(x))
        two = torch.cat([one, torch.relu(self.conv1(one))], 1)
        three = torch.cat([two, torch.relu(self.conv2(self.norm(two)))], 1)
        return self.fc(three.mean((2, 3)))


def grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1, groups=4), nn.BatchNorm2d(16),
        nn.ReLU(), nn.Conv2d(16, 6, 1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 3),
    )  # fmt: skip


def flattened_views() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3)
            self.last = nn.Linear(64, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.relu(self.conv(x)).view(-1, 64))

    return Net()


OWN: dict[str, Callable[[], nn.Module]] = {"dense": Dense, "grouped": grouped, "view": flattened_views}
PRUNABLE = [
    "mlp", "functional", "shared", "in_place", "vision_transformer", "bottleneck", "unet",
    "depthwise", "squeeze_excitation", "preactivation", "normalised", "vgg", "resnet",
]  # fmt: skip


@pytest.mark.parametrize("name", [*(f"own {name}" for name in OWN), *PRUNABLE])
def test_a_pruned_network_is_the_whole_one_with_these_channels_not_read(name: str) -> None:
    if name.startswith("own "):
        torch.manual_seed(7)
        x = torch.randn(3, 2, 6, 6)
        whole = capture(lively(OWN[name.removeprefix("own ")]()), x)
    else:
        found = architectures.captured(name)
        x, whole = found.architecture.batch(3), found.graph
    path = pruning_path(whole, x, multiple=1)
    narrower = [path.network(step) for step in (len(path) // 2, -1)]
    for step, small in zip((len(path) // 2, -1), narrower, strict=True):
        torch.testing.assert_close(small(x), unread(path, step, x))
        assert cost(small, x.shape[1:], x.dtype).parameters < cost(whole, x.shape[1:], x.dtype).parameters


def test_every_layer_that_can_be_narrowed_is() -> None:
    expected = {
        "dense": {"stem", "conv1", "conv2"}, "grouped": {"0", "2", "5"}, "view": {"conv"},
    }  # fmt: skip
    for name, layers in expected.items():
        path = pruning_path(capture(OWN[name](), torch.zeros(2, 2, 6, 6)), torch.zeros(2, 2, 6, 6), multiple=1)
        assert {layer for group in path.groups for layer in group.layers} == layers
    path = path_of("resnet")
    assert {layer for group in path.groups for layer in group.layers} == {f"layer{n}.0.conv1" for n in (1, 2, 3)}
    reasons = {one.layer: one.reason for one in path.left}
    assert reasons.keys() == {"conv1", "layer1.0.conv2", "layer2.0.conv2", "layer3.0.conv2", "linear"}
    assert "padding" in reasons["conv1"]
    assert reasons["linear"] == "it gives the network's outputs"


class Shuffled(nn.Module):
    """The order of channels is turned by half, which looks like an operation on each alone."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.first = nn.Conv2d(2, 8, 1)
        self.second = nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.roll(torch.relu(self.first(x)), self.shift, 1)
        return self.last(torch.relu(self.second(x))).mean((2, 3))


def test_channels_that_are_traced_wrongly_are_found_out_by_trial() -> None:
    x = torch.randn(2, 2, 4, 4)
    for shift, layers in ((0, {"first", "second"}), (4, {"second"})):
        free = without_fixed_widths(capture(Shuffled(shift), x), x)
        groups = Trace(free, x).groups(importance_named("l1"))[:2]
        assert [group.layers for group in groups] == [("first",), ("second",)]
        assert {layer for group in sound(free, groups, x) for layer in group.layers} == layers
        gone = torch.tensor([0, 1])  # the wrong one would run as well
        assert narrowed(free, [(groups[0], gone)])(x).shape == (2, 3)


TARGETS = [
    *((name, target, asked, scope) for name in ("mlp", "vgg") for target, asked in (
        ("multiply_adds_ratio", 1.3), ("multiply_adds_ratio", 3.0), ("parameters_ratio", 1.7)
    ) for scope in ("uniform", "global")),
    ("resnet", "multiply_adds_ratio", 1.5, "uniform"),
    ("preresnet", "parameters_ratio", 1.5, "global"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "target", "asked", "scope"), TARGETS)
def test_the_target_is_met_and_the_next_wider_network_misses_it(
    name: str, target: str, asked: float, scope: Any
) -> None:
    made = pruned(name, scope=scope, **{target: asked})
    assert made.reached_wider < asked <= made.reached
    before, after = made.original, made.overall
    sizes = {"multiply_adds_ratio": "multiply_adds", "parameters_ratio": "parameters"}
    assert made.reached == getattr(before, sizes[target]) / getattr(after, sizes[target])
    for width in made.widths:
        assert width.after == width.before or (width.after % 8 == 0 and 8 <= width.after < width.before)
    assert made.widths[-1].before == made.widths[-1].after == 3
    assert dict(made.network.named_parameters()).keys() == dict(graph(name).named_parameters()).keys()
    assert made.fitted is made.network


@pytest.mark.parametrize("scope", ["uniform", "global"])
@pytest.mark.parametrize("name", ["mlp", "vgg"])
def test_on_the_path_nothing_grows_and_bisection_finds_the_first_that_fits(name: str, scope: Any) -> None:
    path = path_of(name, scope=scope)
    costs = [cost(path.network(step), SHAPE) for step in range(len(path))]
    assert costs[0] == cost(graph(name), SHAPE)
    for one, other in pairwise(costs):
        assert other.multiply_adds < one.multiply_adds
        assert other.parameters < one.parameters
    for most in {one.parameters for one in costs[:: max(1, len(costs) // 7)]}:
        tried = []

        def fits(small: GraphNetwork, most: int = most, tried: list[int] = tried) -> bool:
            tried.append(cost(small, SHAPE).parameters)
            return tried[-1] <= most

        found = path.widest(fits)
        first = next(step for step, one in enumerate(costs) if one.parameters <= most)
        assert found is not None
        assert found.step == first
        assert cost(found.network, SHAPE) == costs[first]
        assert (found.larger is None) == (first == 0)
        assert found.larger is None or cost(found.larger, SHAPE) == costs[first - 1]
        assert len(tried) <= 2 + len(path).bit_length()


def test_uniform_keeps_equal_shares_up_to_one_unit() -> None:
    for widths in path_of("vgg", multiple=4).widths:
        lowest = min(kept / full for kept, full in zip(widths, (16, 32, 64), strict=True))
        assert all(kept <= lowest * full + 4 for kept, full in zip(widths, (16, 32, 64), strict=True))


def test_global_keeps_no_channel_that_is_less_important_than_one_that_goes() -> None:
    path = path_of("vgg", multiple=1, scope="global")
    ranked = [group.importance.sort(descending=True).values for group in path.groups]
    for widths in path.widths[1:]:
        gone = max(float(worth[kept]) for worth, kept in zip(ranked, widths, strict=True) if kept < len(worth))
        kept = [float(worth[kept - 1]) for worth, kept in zip(ranked, widths, strict=True) if kept > 1]
        assert gone <= min(kept, default=gone)


def test_up_to_a_layer_only_the_front_is_narrowed() -> None:
    whole = path_of("vgg")
    assert [group.layers for group in whole.groups] == [("features.0",), ("features.4",), ("features.8",)]
    for layer, count in (("features.4", 2), (1, 1), ("features.9", 3)):
        front = path_of("vgg", layer=layer)
        assert [group.layers for group in front.groups] == [group.layers for group in whole.groups[:count]]
        assert [one.reason for one in front.left][:1] == (["it gives the network's outputs"] if count == 3 else [
            f"it comes after layer {layer!r}"
        ])  # fmt: skip
    made = pruned("vgg", multiply_adds_ratio=1.5, layer="features.4")
    assert [width.after < width.before for width in made.widths] == [True, True, False, False]
    assert made.layer == "features.4"


@pytest.mark.parametrize("name", ["vgg", "preresnet"])
def test_it_recovers_saves_loads_and_can_be_pruned_again(name: str, tmp_path: Path) -> None:
    made = Prune(multiply_adds_ratio=1.3, epochs=1).compress(graph(name), data(), validation=data(1))
    assert made.training is not None
    assert made.training.rows[-1].validation_accuracy is not None
    x = data(1)[0][0]
    assert not torch.equal(made.network(x), made.fitted(x))
    save_graph(made.network, tmp_path)
    loaded = load_graph(tmp_path)
    assert torch.equal(loaded(x), made.network(x))
    again = Prune(multiply_adds_ratio=1.1, multiple=4, epochs=0).compress(loaded, data())
    assert again.overall.multiply_adds < made.overall.multiply_adds
    assert {change.what for change in again.changes} >= {"narrowed"}


def test_the_front_of_an_asnet_is_pruned_and_its_polynomial_stays() -> None:
    cut = ASNet(layer="features.7", rank=3, order=2, epochs=0).compress(graph("vgg"), data())
    made = Prune(multiply_adds_ratio=1.5, epochs=0).compress(cut.network, data())
    assert made.reached >= 1.5
    coefficients = [name for name, _ in cut.network.named_parameters() if name.startswith("asnet.")]
    now = dict(made.network.named_parameters())
    shapes = {name: (tuple(cut.network.get_parameter(name).shape), tuple(now[name].shape)) for name in coefficients}
    assert {was[0] for was, _ in shapes.values()} == {now[0] for _, now in shapes.values()}
    assert any(was != now for was, now in shapes.values()), "the subspace layer reads fewer features"


def test_frozen_parameters_stay_frozen_and_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    net = copy.deepcopy(network("vgg"))
    net.network.features[0].weight.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = Prune(multiply_adds_ratio=1.5, epochs=0).compress(net, data())
    assert not made.network.get_parameter("network.features.0.weight").requires_grad
    assert made.network.get_parameter("network.features.0.bias").requires_grad
    assert "".join(capsys.readouterr()) == ""


def test_a_result_says_what_was_done_and_what_was_left() -> None:
    made = pruned("resnet", multiply_adds_ratio=1.3)
    assert made.why.startswith("3 of 8 layers lost their channels of the least l1 importance, uniform over the layers")
    assert "conv1, layer1.0.conv2, layer2.0.conv2 and 1 more (tied to a part" in made.why
    assert made.manner == f"pruned to {made.reached:.2f}x fewer multiply-adds"
    assert made.row()["asked"] == 1.3
    assert made.to_dict()["left"][0]["layer"] == "conv1"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "one of multiply_adds_ratio and parameters_ratio must be given, got none"),
    ({"multiply_adds_ratio": 2, "parameters_ratio": 2}, "must be given, got both"),
    ({"multiply_adds_ratio": 1.0}, "multiply_adds_ratio must be more than 1 and finite, got 1.0"),
    ({"parameters_ratio": float("nan")}, "parameters_ratio must be more than 1 and finite, got nan"),
    ({"multiply_adds_ratio": 2, "scope": "local"}, "scope must be one of uniform, global, got 'local'"),
    ({"multiply_adds_ratio": 2, "importance": "l3"}, "importance must be one of l1, l2, .* got 'l3'"),
    ({"multiply_adds_ratio": 2, "multiple": 0}, "multiple must be at least 1, got 0"),
    ({"multiply_adds_ratio": 2, "epochs": -1}, "epochs must be at least 0, got -1"),
    ({"multiply_adds_ratio": 2, "beta": 1.5}, "beta must be between 0 and 1, got 1.5"),
    ({"multiply_adds_ratio": 2, "learning_rate": 0.0}, "learning_rate must be positive and finite, got 0.0"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Prune(**options)


def test_a_target_out_of_reach_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"at most (\d+\.\d\d) here .*multiples of 8, got 50\.0: ask for less"
    ) as caught:
        pruned("mlp", multiply_adds_ratio=50.0)
    most = float(str(caught.value).split("at most ")[1].split(" ")[0])
    assert pruned("mlp", multiply_adds_ratio=most).reached < most + 0.01
    with pytest.raises(InputError, match=r"missed even by the narrowest network \(parameters"):
        pruned_to(graph("mlp"), data()[0][0], lambda _: False)


def test_what_cannot_be_pruned_is_refused_in_one_line() -> None:
    single = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    cases: list[tuple[nn.Module, dict[str, Any], str]] = [
        (single, {}, r"no channels can be removed .*1: it gives the network's outputs"),
        (network("mlp"), {"multiple": 64}, "1: it has no more than 64 channels"),
        (network("mlp"), {"importance": "batch-norm"}, "Torch-Pruning does not tell what its channels are worth"),
        (network("vgg"), {"layer": "features.77"}, "no layer 'features.77'"),
        (network("vgg"), {"layer": "*"}, r"up to one layer, '\*' names 3"),
    ]
    for net, options, said in cases:
        with pytest.raises(InputError, match=said) as caught:
            Prune(multiply_adds_ratio=1.5, epochs=0, **options).compress(net, data())
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="'taylor' needs data with labels"):
        pruning_path(graph("mlp"), data()[0][0], importance="taylor")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(InputError, match=r"pip install 'corank\[prune\]'"):
        pruned("mlp", multiply_adds_ratio=1.5)
