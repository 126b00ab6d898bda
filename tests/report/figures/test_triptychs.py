from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from corank.errors import InputError
from corank.report.figures import Triptych, is_picture, triptychs
from corank.report.palette import SECOND
from tests.report.figures.svg_reading import texts


def pictures(svg: str) -> list[np.ndarray]:
    """The pixels of all pictures of a figure, in the order of drawing."""
    found = re.findall(r'href="data:image/png;base64,\s*([^"]+)"', svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB")) for code in found]


def some(count: int = 2, channels: int = 1) -> list[Triptych]:
    chance = torch.Generator().manual_seed(0)
    perturbation = 0.2 * torch.randn(channels, 5, 6, generator=chance)
    return [
        Triptych(image=torch.rand(channels, 5, 6, generator=chance), perturbation=perturbation, before="cat",
                 after="dog" if place else "cat")
        for place in range(count)
    ]  # fmt: skip


def in_bytes(pixels: Tensor) -> np.ndarray:
    shown = (255 * pixels.double().clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_the_image_the_perturbation_and_their_sum(channels: int) -> None:
    rows = some(3, channels)
    largest = max(float(row.perturbation.abs().max()) for row in rows)
    figure = triptychs(rows, (0.0, 1.0))
    for svg in (figure.svg, figure.svg_narrow):
        shown = pictures(svg)
        assert len(shown) == 9
        for place, row in enumerate(rows):
            image, perturbation, both = shown[3 * place : 3 * place + 3]
            np.testing.assert_array_equal(image, in_bytes(row.image))
            np.testing.assert_array_equal(perturbation, in_bytes(row.perturbation / (2 * largest) + 0.5))
            np.testing.assert_array_equal(both, in_bytes(row.image + row.perturbation))


def test_black_and_white_are_the_bounds() -> None:
    row = Triptych(image=torch.full((1, 2, 2), -1.0), perturbation=torch.full((1, 2, 2), 4.0), before="a", after="b")
    image, _, both = pictures(triptychs([row], (-1.0, 3.0)).svg)
    assert (image.max(), both.min()) == (0, 255)


def test_a_class_that_changed_is_marked() -> None:
    figure = triptychs(some(2), (0.0, 1.0))
    words = [text for text in texts(figure.svg) if text in ("cat", "dog")]
    assert words == ["cat", "cat", "cat", "dog"]
    assert figure.svg.count(f"fill: {SECOND.light}") == 1


def test_any_name_of_a_class_can_be_drawn() -> None:
    hostile = "</text><script>x{}</script> $\\frac{{1}}$ & \x00\ud800 \"'"
    row = replace(some(1)[0], before=hostile, after=hostile * 2)
    assert "<script" not in triptychs([row], (0.0, 1.0)).svg


def test_equal_pictures_share_no_id_and_nothing_is_loaded() -> None:
    svg = triptychs(some(4), (0.0, 1.0)).svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(set(ids)) == len(ids)
    assert not re.search(r'href="(?!data:|#)', svg)


def test_a_perturbation_of_nothing_is_grey() -> None:
    row = Triptych(image=torch.rand(1, 2, 2), perturbation=torch.zeros(1, 2, 2), before="a", after="a")
    _, perturbation, _ = pictures(triptychs([row], (0.0, 1.0)).svg)
    assert set(perturbation.flatten().tolist()) <= {0, 127, 128}


def test_what_is_no_picture_is_refused() -> None:
    assert [is_picture(shape) for shape in ((1, 2, 2), (3, 2, 2), (2, 2, 2), (36,))] == [True, True, False, False]
    with pytest.raises(InputError, match="got none"):
        triptychs([], (0.0, 1.0))
    with pytest.raises(InputError, match=r"got \(2, 5, 6\)"):
        triptychs(some(1, 2), (0.0, 1.0))
