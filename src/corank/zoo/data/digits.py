"""The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn: data without a download.

Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits. Grey values 0 to 16 are stored as bytes,
rounded, so that 16 is white.
"""

from __future__ import annotations

import numpy as np
import torch

from corank.zoo.data.dataset import Dataset, Split, assemble


def load_digits() -> Dataset:
    """The digits, `(1, 8, 8)`, with test and validation split by the hash of the index.

    Example:
        >>> data = load_digits()
        >>> data.shape, data.classes
        ((1, 8, 8), 10)
    """
    from sklearn import datasets  # imported here: it takes a second, and other data have no need of it

    grey, labels = datasets.load_digits(return_X_y=True)
    images = torch.from_numpy(np.rint(grey * 255 / 16).astype(np.uint8)).reshape(-1, 1, 8, 8)
    return assemble("digits", Split(images, torch.from_numpy(labels).long()))
