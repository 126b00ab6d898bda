"""Fashion-MNIST: clothing in the files of MNIST.

Xiao et al. 2017, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, table 2.
"""

from __future__ import annotations

from pathlib import Path

from corank.zoo.data.dataset import Dataset
from corank.zoo.data.mnist import load_idx

FASHION_SOURCE = "its four -ubyte.gz files from github.com/zalandoresearch/fashion-mnist"
_CLASSES = (
    *("t-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)


def load_fashion_mnist(folder: Path) -> Dataset:
    """The four IDX files of a folder, `(1, 28, 28)`, ten classes of clothing; validation by the hash of the index.

    Raises:
        InputError: a file that is missing or damaged, named with the place of the damage.
    """
    return load_idx(folder, "fashion-mnist", _CLASSES, FASHION_SOURCE)
