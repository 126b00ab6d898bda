"""The reference networks of the papers, one file a family."""

from corank.zoo.nets.build import build, input_shape, network_names
from corank.zoo.nets.cnn4 import cnn4
from corank.zoo.nets.initialise import he_initialise
from corank.zoo.nets.resnet import Block, ResNet, Subsample
from corank.zoo.nets.vgg import VGG, vgg19, vgg_digits

__all__ = [
    "VGG",
    "Block",
    "ResNet",
    "Subsample",
    "build",
    "cnn4",
    "he_initialise",
    "input_shape",
    "network_names",
    "vgg19",
    "vgg_digits",
]
