"""Data sets in memory, their splits, batches and augmentation; one file a source."""

from corank.zoo.data.arrays import as_split, load_arrays
from corank.zoo.data.augment import CropAndFlip
from corank.zoo.data.batches import Augment, Batches, to_pixels
from corank.zoo.data.dataset import Dataset, Split, assemble, channel_statistics, index_hash
from corank.zoo.data.digits import load_digits
from corank.zoo.data.factory import load_factory
from corank.zoo.data.folder import load_folder
from corank.zoo.data.load import data_names, load_data
from corank.zoo.data.mnist import load_mnist, read_idx

__all__ = [
    "Augment",
    "Batches",
    "CropAndFlip",
    "Dataset",
    "Split",
    "as_split",
    "assemble",
    "channel_statistics",
    "data_names",
    "index_hash",
    "load_arrays",
    "load_data",
    "load_digits",
    "load_factory",
    "load_folder",
    "load_mnist",
    "read_idx",
    "to_pixels",
]
