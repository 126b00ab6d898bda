"""The reference networks of the papers, one file a family."""

from corank.zoo.nets.build import build, input_shape, network_names, ode_names
from corank.zoo.nets.cnn4 import cnn4
from corank.zoo.nets.cnn_fc import cnn_fc
from corank.zoo.nets.cnn_lw import cnn_lw
from corank.zoo.nets.dense import fcnn_lw, lenet_300_100, lenet_500_300
from corank.zoo.nets.initialise import he_initialise
from corank.zoo.nets.ode_options import ODEOptions
from corank.zoo.nets.odenet import ODENet
from corank.zoo.nets.preresnet import PreActivationBlock, PreActivationResNet
from corank.zoo.nets.resnet import Block, ResNet, Subsample
from corank.zoo.nets.resnet_four_stages import Bottleneck, FourStageResNet, resnet18, resnet50
from corank.zoo.nets.vgg import VGG, Unpadded, vgg7, vgg16, vgg16_3fc, vgg19, vgg19_3fc, vgg_digits

__all__ = [
    "VGG",
    "Block",
    "Bottleneck",
    "FourStageResNet",
    "ODENet",
    "ODEOptions",
    "PreActivationBlock",
    "PreActivationResNet",
    "ResNet",
    "Subsample",
    "Unpadded",
    "build",
    "cnn4",
    "cnn_fc",
    "cnn_lw",
    "fcnn_lw",
    "he_initialise",
    "input_shape",
    "lenet_300_100",
    "lenet_500_300",
    "network_names",
    "ode_names",
    "resnet18",
    "resnet50",
    "vgg7",
    "vgg16",
    "vgg16_3fc",
    "vgg19",
    "vgg19_3fc",
    "vgg_digits",
]
