"""Any `nn.Module`, without knowing why: its graph, its points, cutting, cost, latency, files."""

from corank.network.adapted import Adapted
from corank.network.changes import Change, changes_between
from corank.network.compose import compose, free_name
from corank.network.cost import Cost, cost
from corank.network.cut import Cut, cut
from corank.network.fingerprint import fingerprint
from corank.network.found import Skipped
from corank.network.graph import GraphNetwork, capture, evaluation_mode
from corank.network.inputs import Inputs, batch_size, check_inputs, concatenate, described, select, to_device
from corank.network.latency import Latency, latencies
from corank.network.layers import Layer, Layers, Point
from corank.network.normalised import Normalised
from corank.network.portable import load_graph, load_tensors, save_graph, save_tensors
from corank.network.reader import Loss, Reader, Reading
from corank.network.through import Through
from corank.network.weighted import Weighted, weighted_layers
from corank.network.wrapper import unwrapped

__all__ = [
    "Adapted", "Change", "Cost", "Cut", "GraphNetwork", "Inputs", "Latency", "Layer", "Layers", "Loss", "Normalised",
    "Point", "Reader", "Reading", "Skipped", "Through", "Weighted", "batch_size", "capture", "changes_between",
    "check_inputs", "compose", "concatenate", "cost", "cut", "described", "evaluation_mode", "fingerprint", "free_name",
    "latencies", "load_graph", "load_tensors", "save_graph", "save_tensors", "select", "to_device", "unwrapped",
    "weighted_layers",
]  # fmt: skip
