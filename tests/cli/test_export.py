"""`corank export`: what a user types, gets and is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from corank.experiment import load
from corank.network.exporting import load_exported
from corank.zoo.nets import vgg_digits

from .user import Corank, assert_refused, contents, strict_json, words

EXPORT = words("export --network trained --pt2 new/net.pt2")


def test_a_run_is_exported_to_both_formats_and_stays_as_it_is(corank: Corank) -> None:
    before = contents(Path("trained"))
    said = corank(*EXPORT, "--onnx", "net.onnx", "--json")
    assert (said.code, said.err) == (0, "")
    found = strict_json(said.out)
    assert [(row["file"], row["format"]) for row in found["files"]] == [("net.onnx", "onnx"), ("new/net.pt2", "pt2")]
    assert len(found["latency"]) == 6
    assert contents(Path("trained")) == before
    x = torch.rand(3, 1, 6, 6)
    with torch.no_grad():
        expected = load("trained")(x)
    for row in found["files"]:
        got = load_exported(Path(row["file"]))(x)
        assert torch.allclose(got, expected, rtol=0, atol=row["allowed_difference"])


def test_a_pipe_gets_a_table_with_a_line_a_program(corank: Corank) -> None:
    said = corank(*EXPORT)
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out
    head, _, network, file, *caption = said.out.splitlines()
    assert head.split()[:1] == ["program"]
    assert network.split()[:3] == ["network", "in", "PyTorch"]
    assert file.split()[0] == "new/net.pt2"
    assert "on 1 thread." in " ".join(" ".join(caption).split())


def test_a_file_that_is_there_is_replaced_only_when_asked(corank: Corank) -> None:
    Path("new").mkdir()
    file = Path("new/net.pt2")
    file.write_text("precious")
    assert_refused(corank(*EXPORT), "'new/net.pt2' is there already")
    assert file.read_text() == "precious"
    assert corank(*EXPORT, "--overwrite").code == 0
    assert [path.name for path in file.parent.iterdir()] == ["net.pt2"]
    assert file.stat().st_size > 1000


def test_fresh_weights_are_exported_only_when_asked(corank: Corank) -> None:
    line = words("export --network own_networks:Residual --input-shape 1,6,6 --pt2 net.pt2")
    assert_refused(corank(*line), "'own_networks:Residual' has no trained weights")
    assert corank(*line, "--random-weights").code == 0
    assert_refused(corank(*EXPORT, "--random-weights"), "which 'trained' came with")
    unshaped = [word for word in line if word not in ("--input-shape", "1,6,6")]
    assert_refused(corank(*unshaped, "--overwrite", "--random-weights"), "give --input-shape")


def test_weights_without_a_normalisation_are_told(corank: Corank) -> None:
    torch.save(load("trained").network.state_dict(), "own.pt")  # type: ignore[arg-type, union-attr]
    line = words("export --network own_networks:tiny --input-shape 1,6,6 --weights own.pt --pt2 net.pt2")
    assert corank(*line).err == "", "a user's own network normalises as it likes"
    torch.save(vgg_digits(classes=3).state_dict(), "vgg.pt")
    said = corank(*words("export --network vgg_digits --classes 3 --weights vgg.pt --pt2 vgg.pt2"))
    assert said.code == 0
    (told,) = said.err.splitlines()
    assert told == "corank: vgg_digits takes inputs as they are: 'vgg.pt' says no mean and std to normalise them"


def test_what_cannot_be_exported_is_refused_in_one_line(corank: Corank, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_refused(corank(*words("export --network trained")), "--onnx FILE, --pt2 FILE or both")
    inside = words("export --network trained --pt2 trained/net.pt2")
    assert_refused(corank(*inside), "'trained/net.pt2' lies in the network's run folder")
    looks = words("export --network own_networks:Looks --input-shape 1,6,6 --random-weights --pt2 net.pt2")
    assert_refused(corank(*looks), "cannot be captured")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert_refused(corank(*words("export --network trained --onnx net.onnx")), "pip install 'corank[onnx]'")
    assert not list(Path().glob("**/net*"))
