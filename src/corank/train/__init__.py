"""One fitting loop for every network: objectives, penalties, schedules, checkpoints, devices."""

from corank.train.checkpoint import Checkpoint as Checkpoint
from corank.train.devices import make_fabric as make_fabric
from corank.train.evaluate import accuracy as accuracy
from corank.train.evaluate import predict as predict
from corank.train.fit import EpochEnd as EpochEnd
from corank.train.fit import fit as fit
from corank.train.history import EpochRow as EpochRow
from corank.train.history import History as History
from corank.train.objectives import CrossEntropy as CrossEntropy
from corank.train.objectives import Distillation as Distillation
from corank.train.penalties.base import Penalty as Penalty
from corank.train.penalties.group_lasso import GroupLasso as GroupLasso
from corank.train.penalties.l1 import L1 as L1
from corank.train.penalties.nuclear_norm import NuclearNorm as NuclearNorm
from corank.train.plateau import Plateau as Plateau
from corank.train.proximal import ProximalSteps as ProximalSteps
from corank.train.schedules import Constant as Constant
from corank.train.schedules import Cosine as Cosine
from corank.train.schedules import OneCycle as OneCycle
from corank.train.schedules import Steps as Steps
from corank.train.schedules import Triangle as Triangle

__all__ = [
    "L1",
    "Checkpoint",
    "Constant",
    "Cosine",
    "CrossEntropy",
    "Distillation",
    "EpochEnd",
    "EpochRow",
    "GroupLasso",
    "History",
    "NuclearNorm",
    "OneCycle",
    "Penalty",
    "Plateau",
    "ProximalSteps",
    "Steps",
    "Triangle",
    "accuracy",
    "fit",
    "make_fabric",
    "predict",
]
