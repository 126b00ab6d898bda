"""What the README and its neighbours promise is there: links lead somewhere, the Python runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from corank.experiment import open_network, save_run
from corank.experiment.run_pages import reload_section
from corank.zoo import load_data

README = Path(__file__).parent.parent / "README.md"


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_network("vgg_digits", dataset=load_data("digits"))
    save_run(tmp_path / "out/digits/network", opened.network, opened.origin, about={}, metrics={})
    monkeypatch.chdir(tmp_path)
    minute, lines = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)
    names: dict[str, object] = {}
    exec(compile(minute.replace("order=2)", "order=2, epochs=1)"), str(README), "exec"), names)
    assert names["small"].terms == 91  # type: ignore[attr-defined]
    assert lines.strip() == reload_section(Path("out/digits/network"), opened.origin.shape, (0.0, 1.0)).code
    images = torch.rand(3, *opened.origin.shape)
    loaded: dict[str, object] = {"images": images}
    exec(compile(lines, str(README), "exec"), loaded)
    assert torch.equal(loaded["logits"], opened.network(images))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/numbers.md"])
def test_links_lead_somewhere(name: str) -> None:
    page = README.parent / name
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert links or name != "README.md"
