"""Network to more robust network, by a training that is done differently."""

from corank.defend.adversarial import Adversarial, Perturbed
from corank.defend.base import Course, Defence, Defended, Plan
from corank.defend.joint_l1 import JointL1
from corank.defend.low_rank import LowRank, VirtualLayers
from corank.defend.low_rank_layer import LowRankLayer
from corank.defend.regularised import Regularised
from corank.defend.watching import Watch, Watched, WatchedEpoch

__all__ = [
    "Adversarial", "Course", "Defence", "Defended", "JointL1", "LowRank", "LowRankLayer", "Perturbed", "Plan",
    "Regularised", "VirtualLayers", "Watch", "Watched", "WatchedEpoch",
]  # fmt: skip
