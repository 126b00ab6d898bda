"""A file that is written computes what the network does, and one that does not is not written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

from corank.errors import InputError
from corank.network import Normalised, capture, exporting, fingerprint
from corank.network.exporting import BATCHES, export, load_exported
from corank.zoo.nets import ResNet, lenet_300_100, vgg_digits
from corank.zoo.nets.preresnet import PreActivationResNet
from corank.zoo.nets.resnet_four_stages import Bottleneck, FourStageResNet

from .architectures import Architecture, build

Writer = Callable[[Any, Path, Mapping[str, str]], int | None]
SUFFIXES = ("onnx", "pt2")
OPERATIONS = ("functional", "in_place", "depthwise", "squeeze_excitation", "batch_sizes", "last_state",
              "vision_transformer")  # fmt: skip
MADE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "tokens": (lambda: nn.Sequential(nn.Embedding(11, 4), nn.Flatten(), nn.Linear(20, 3)), (5,)),
    "dense": (lambda: lenet_300_100(classes=4, features=12), (3, 2, 2)),
    "vgg": (lambda: vgg_digits(classes=4), (1, 8, 8)),
    "resnet": (lambda: ResNet(1, classes=4), (3, 8, 8)),
    "preresnet": (lambda: PreActivationResNet(1, classes=4), (3, 8, 8)),
    "four_stages": (lambda: FourStageResNet(Bottleneck, (1, 1, 1, 1), expansion=4, classes=4), (3, 8, 8)),
}


class Bessel(nn.Module):
    """An operation that ONNX does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.special.i1(x))


def made(name: str) -> Architecture:
    if name not in MADE:
        return build(name)
    make, shape = MADE[name]
    torch.manual_seed(5)
    return Architecture(name, make().eval(), shape, vocabulary=11 if name == "tokens" else 0)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", [*OPERATIONS, *MADE])
def test_a_file_computes_what_the_network_does(tmp_path: Path, name: str, suffix: str) -> None:
    found = made(name)
    file, x = tmp_path / f"net.{suffix}", found.batch(7)
    bounds = (0.0, found.vocabulary - 1.0) if found.vocabulary else (0.0, 1.0)
    said = export(found.network, file, found.shape, dtype=x.dtype, bounds=bounds)
    assert said.difference <= said.allowed_difference
    assert said.size_mb == file.stat().st_size / 2**20
    assert 7 not in BATCHES
    with torch.no_grad():
        expected = found.network(x)
    # The inputs are normal here and may be larger than those that were checked, on which the allowance was found.
    tolerance = 10 * said.allowed_difference
    assert torch.allclose(load_exported(file)(x), expected, rtol=0, atol=tolerance)
    assert tolerance < 1e-3 * float(expected.abs().max()), "an allowance that would let a mistake pass"


@pytest.mark.parametrize("name", ["functional", "depthwise", "vision_transformer", "resnet", "normalised"])
def test_what_rounding_explains_holds_for_single_precision_itself(name: str) -> None:
    found = made(name)
    x = found.batch(8)
    graph = capture(found.network, x)
    with torch.no_grad():
        outputs = graph(x)
        allowed = exporting._explained_by_rounding(graph, [x], outputs, 0)
        exact = capture(found.network.double(), x.double())(x.double())
    assert 0 < float((outputs - exact).abs().max()) <= allowed < 1e-4 * float(outputs.abs().max())


def test_where_large_numbers_cancel_rounding_explains_more() -> None:
    torch.manual_seed(4)
    network = nn.Sequential(nn.Linear(50, 20), nn.Linear(20, 3)).requires_grad_(False)
    network[0].bias.copy_(-1000 * network[0].weight.sum(1))
    x = 1000 + torch.rand(8, 50)
    outputs = network(x)
    graph = capture(network, x)
    allowed = exporting._explained_by_rounding(graph, [x], outputs, 0)
    difference = float((outputs - network.double()(x.double())).abs().max())
    roundoff = torch.finfo(torch.float32).eps / 2
    assert 100 * roundoff * float(outputs.abs().max()) < difference <= allowed


class Noisy(nn.Linear):
    """Other outputs each time."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.randn_like(x[:, :1])


def test_a_network_with_chance_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="other outputs each time on the same inputs"):
        export(Noisy(4, 3), tmp_path / "net.pt2", (4,))
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")
def test_samples_that_depend_on_each_other_do_not_allow_more(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten()).eval()
    said = export(network, tmp_path / "net.pt2", (2, 5, 5))
    assert said.allowed_difference < 1e-4


def changed_weight(write: Writer, kind: str, share: float) -> Writer:
    """A writer after which one weight of the file is off by a share of itself."""

    def onnx_file(program: Any, file: Path, about: Mapping[str, str]) -> int | None:
        opset = write(program, file, about)
        model = onnx.load(file)
        (weight,) = (value for value in model.graph.initializer if value.name == "2.weight")
        values = onnx.numpy_helper.to_array(weight).copy()
        values.flat[abs(values).argmax()] *= 1 + share
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(model, file)
        return opset

    def pt2_file(program: Any, file: Path, about: Mapping[str, str]) -> int | None:
        values = program.state_dict["2.weight"].detach().clone()
        values.view(-1)[values.abs().argmax()] *= 1 + share
        program.state_dict["2.weight"] = nn.Parameter(values)
        return write(program, file, about)

    return onnx_file if kind == "onnx" else pt2_file


def small() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).eval()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_with_another_weight_is_refused_and_an_older_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    file, write = tmp_path / f"net.{suffix}", exporting._WRITERS[suffix]
    file.write_text("older")
    monkeypatch.setitem(exporting._WRITERS, suffix, changed_weight(write, suffix, 1e-4))
    with pytest.raises(InputError, match="would not compute what the network does: outputs differ by") as refused:
        export(small(), file, (4,))
    assert "\n" not in str(refused.value)
    assert file.read_text() == "older"
    assert list(tmp_path.iterdir()) == [file]
    monkeypatch.setitem(exporting._WRITERS, suffix, changed_weight(write, suffix, 0.0))
    export(small(), file, (4,))
    assert file.read_bytes() != b"older"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_in_half_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    file, write = tmp_path / f"net.{suffix}", exporting._WRITERS[suffix]
    export(small(), file, (4,))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=f"cannot be read as {suffix}") as refused:
        load_exported(file)
    assert "\n" not in str(refused.value)

    def halving(program: Any, aside: Path, about: Mapping[str, str]) -> int | None:
        opset = write(program, aside, about)
        aside.write_bytes(aside.read_bytes()[:100])
        return opset

    file.unlink()
    monkeypatch.setitem(exporting._WRITERS, suffix, halving)
    with pytest.raises(InputError, match=f"net.{suffix} would not run and was not written"):
        export(small(), file, (4,))
    assert list(tmp_path.iterdir()) == []


def test_an_operation_that_onnx_lacks_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no form in ONNX, write \.pt2 instead: .*bessel_i1") as refused:
        export(Bessel(), tmp_path / "net.onnx", (4,))
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    assert export(Bessel(), tmp_path / "net.pt2", (4,)).difference == 0


def test_what_onnx_runtime_lacks_in_double_precision_is_told(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()).double()
    with pytest.raises(
        InputError, match=r"few operations in torch.float64: convert by network.float\(\), or write .pt2"
    ):
        export(network, tmp_path / "net.onnx", (1, 4, 4), dtype=torch.float64)
    export(network, tmp_path / "net.pt2", (1, 4, 4), dtype=torch.float64)


def test_an_onnx_file_is_one_file_that_says_what_it_is(tmp_path: Path) -> None:
    network = Normalised(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 3)), [0.3, 0.1], [0.5, 2.0])
    about = {"corank": "7.8", "network": "own"}
    said = export(network.eval(), tmp_path / "deep" / "net.onnx", (2, 6, 6), about=about)
    assert [path.name for path in said.file.parent.iterdir()] == ["net.onnx"], "weights are inside"
    model = onnx.load(said.file)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == about
    assert (model.producer_name, model.producer_version) == ("corank", "7.8")
    (given,), (got,) = model.graph.input, model.graph.output
    sizes = [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in (given, got)]
    assert (given.name, got.name, sizes) == ("images", "logits", [["batch", 2, 6, 6], ["batch", 3]])
    assert said.opset == model.opset_import[0].version
    assert not any(node.metadata_props for node in model.graph.node)


def test_a_pt2_file_runs_without_this_library_and_says_what_it_is(tmp_path: Path) -> None:
    network, file = small(), tmp_path / "net.pt2"
    export(network, file, (4,), about={"network": "own"})
    program = f"""
import json, sys
sys.modules["corank"] = None
import torch
said = {{"corank.json": ""}}
network = torch.export.load({str(file)!r}, extra_files=said).module()
print(json.dumps([json.loads(said["corank.json"]), network(torch.ones(3, 4)).tolist()]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    about, outputs = json.loads(done.stdout)
    assert about == {"network": "own"}
    assert torch.equal(torch.tensor(outputs), network(torch.ones(3, 4)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_network_is_left_as_it_was_found(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder, suffix: str
) -> None:
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 3)).train()
    graph = capture(network, torch.zeros(2, 4)).train()
    before = fingerprint(network.state_dict())
    for given in (network, graph):
        export(given, tmp_path / f"net.{suffix}", (4,))
        assert all(module.training for module in given.modules())
    assert fingerprint(network.state_dict()) == before
    assert (*capfd.readouterr(), [str(warning.message) for warning in recwarn]) == ("", "", [])


def test_a_loaded_file_is_a_network_whatever_mode_it_is_put_in(tmp_path: Path) -> None:
    network, x = small(), torch.rand(3, 4)
    export(network, tmp_path / "net.pt2", (4,))
    loaded = load_exported(tmp_path / "net.pt2")
    assert torch.equal(loaded.train()(x), loaded.eval()(x))
    assert list(loaded.parameters()) == []


def test_seeds_and_bounds_choose_the_inputs_of_the_check() -> None:
    def draw(seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return exporting._samples(50, (2, 3), dtype, (3.0, 5.0), torch.Generator().manual_seed(seed))

    x = draw(1)
    assert torch.equal(x, draw(1))
    assert not torch.equal(x, draw(2))
    assert 3 <= x.min() < 3.1 < 4.9 < x.max() <= 5
    assert draw(1, torch.int64).unique().tolist() == [3, 4, 5]


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=rf"needs the package {missing}: pip install 'corank\[onnx\]'"):
        export(small(), tmp_path / "net.onnx", (4,))
    export(small(), tmp_path / "net.pt2", (4,))


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").touch()
    network = small()
    for name, reason in (("net.bin", "ends in .onnx or .pt2"), ("taken/net.pt2", "taken/net.pt2' cannot be written")):
        with pytest.raises(InputError, match=reason):
            export(network, tmp_path / name, (4,))
    with pytest.raises(InputError, match=r"no file '.*none.pt2'"):
        load_exported(tmp_path / "none.pt2")
    for bounds in ((1.0, 0.0), (0.0, float("nan"))):
        with pytest.raises(InputError, match="bounds must be two finite numbers"):
            export(network, tmp_path / "net.pt2", (4,), bounds=bounds)
    with pytest.raises(InputError, match="exported from the processor"):
        export(nn.Linear(4, 2, device="meta"), tmp_path / "net.pt2", (4,))
    monkeypatch.setattr(exporting, "LARGEST_ONNX", 100)
    with pytest.raises(InputError, match="at most 2 GB, the weights take"):
        export(network, tmp_path / "net.onnx", (4,))
    nn.init.constant_(network[2].bias, float("inf"))
    with pytest.raises(InputError, match="outputs are not finite"):
        export(network, tmp_path / "net.pt2", (4,))
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
