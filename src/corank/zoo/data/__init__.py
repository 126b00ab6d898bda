"""Data sets in memory, their splits, batches and augmentation; one file a source."""

from corank.zoo.data.arrays import as_split, load_arrays
from corank.zoo.data.augment import Compose, CropAndFlip, Cutout, RotateAndShift
from corank.zoo.data.batches import Augment, Batches, to_pixels
from corank.zoo.data.cifar import load_cifar10, load_cifar100
from corank.zoo.data.dataset import Dataset, Split, assemble, channel_statistics, index_hash
from corank.zoo.data.digits import load_digits
from corank.zoo.data.factory import load_factory
from corank.zoo.data.fashion_mnist import load_fashion_mnist
from corank.zoo.data.folder import load_folder
from corank.zoo.data.load import data_names, load_data
from corank.zoo.data.mnist import load_mnist, read_idx
from corank.zoo.data.subset import only_classes
from corank.zoo.data.svhn import load_svhn
from corank.zoo.data.synthetic import Gaussians, Hypercube, Subspace

__all__ = [
    "Augment",
    "Batches",
    "Compose",
    "CropAndFlip",
    "Cutout",
    "Dataset",
    "Gaussians",
    "Hypercube",
    "RotateAndShift",
    "Split",
    "Subspace",
    "as_split",
    "assemble",
    "channel_statistics",
    "data_names",
    "index_hash",
    "load_arrays",
    "load_cifar10",
    "load_cifar100",
    "load_data",
    "load_digits",
    "load_factory",
    "load_fashion_mnist",
    "load_folder",
    "load_mnist",
    "load_svhn",
    "only_classes",
    "read_idx",
    "to_pixels",
]
