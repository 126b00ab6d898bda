"""Network to more robust network, by a training that is done differently."""

from corank.defend.adversarial import Adversarial, Perturbed
from corank.defend.base import Course, Defence, Defended, Plan
from corank.defend.bottle_low_rank import BottleLowRank, Bottleneck
from corank.defend.joint_l1 import JointL1
from corank.defend.low_rank import LowRank, VirtualLayers
from corank.defend.low_rank_layer import LowRankLayer
from corank.defend.max_margin import Hybrid, MaxMargin, MaxMarginHead, accuracy_where_fooled
from corank.defend.natural import Natural
from corank.defend.regularised import Regularised
from corank.defend.snip import SNIP
from corank.defend.spectral_normalisation import SpectralNormalisation
from corank.defend.stable_rank_normalisation import StableRankNormalisation
from corank.defend.watching import Watch, Watched, WatchedEpoch

__all__ = [
    "SNIP", "Adversarial", "BottleLowRank", "Bottleneck", "Course", "Defence", "Defended", "Hybrid", "JointL1",
    "LowRank", "LowRankLayer", "MaxMargin", "MaxMarginHead", "Natural", "Perturbed", "Plan", "Regularised",
    "SpectralNormalisation", "StableRankNormalisation", "VirtualLayers", "Watch", "Watched", "WatchedEpoch",
    "accuracy_where_fooled",
]  # fmt: skip
