"""Data sets and reference networks of the papers, above all methods so that none can depend on them."""

from corank.zoo.data import Batches, CropAndFlip, Dataset, Split, as_split, assemble, data_names, load_data
from corank.zoo.factory import import_factory, is_factory
from corank.zoo.nets import ODEOptions, build, input_shape, network_names, ode_names
from corank.zoo.training import TrainingDefaults, training_defaults

__all__ = [
    "Batches",
    "CropAndFlip",
    "Dataset",
    "ODEOptions",
    "Split",
    "TrainingDefaults",
    "as_split",
    "assemble",
    "build",
    "data_names",
    "import_factory",
    "input_shape",
    "is_factory",
    "load_data",
    "network_names",
    "ode_names",
    "training_defaults",
]
