"""Any `nn.Module`, without knowing why: its graph, its points, cutting, cost, latency, files."""

from corank.network.compose import compose, free_name
from corank.network.cost import Cost, cost
from corank.network.cut import Cut, cut
from corank.network.graph import GraphNetwork, capture, evaluation_mode
from corank.network.hooks import Reader
from corank.network.latency import Latency, latencies
from corank.network.layers import Layer, Layers, Point
from corank.network.normalised import Normalised, unwrapped
from corank.network.portable import load_graph, load_tensors, save_graph, save_tensors

__all__ = [
    "Cost", "Cut", "GraphNetwork", "Latency", "Layer", "Layers", "Normalised", "Point", "Reader",
    "capture", "compose", "cost", "cut", "evaluation_mode", "free_name", "latencies", "load_graph", "load_tensors",
    "save_graph", "save_tensors", "unwrapped",
]  # fmt: skip
