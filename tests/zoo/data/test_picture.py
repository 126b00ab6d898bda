from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from corank.errors import InputError
from corank.zoo.data.picture import read_picture

COLOURS = np.arange(3 * 2 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10


def test_an_image_file_is_as_the_images_of_the_data_are(tmp_path: Path) -> None:
    file = tmp_path / "one.png"
    Image.fromarray(COLOURS).save(file)
    stored = torch.from_numpy(COLOURS).permute(2, 0, 1)
    assert torch.equal(read_picture(file, (3, 2, 3), (0.0, 1.0)), stored.float() / 255)
    assert torch.allclose(read_picture(file, (3, 2, 3), (-1.0, 1.0)), 2 * stored.float() / 255 - 1)
    grey = read_picture(file, (1, 2, 3), (0.0, 1.0))
    assert grey.shape == (1, 2, 3)


def test_what_is_no_such_image_is_refused(tmp_path: Path) -> None:
    file, text = tmp_path / "one.png", tmp_path / "one.txt"
    Image.fromarray(COLOURS).save(file)
    text.write_text("no image")
    for path, shape, words in [
        (tmp_path / "none.png", (3, 2, 3), "is no readable image"),
        (text, (3, 2, 3), "is no readable image"),
        (file, (3, 3, 2), "must be 2x3 as the data, got 3x2"),
        (file, (7,), "one channel or three"),
    ]:
        with pytest.raises(InputError, match=words):
            read_picture(path, shape, (0.0, 1.0))
