"""Weight regularisers, one a file: terms of the loss with a proximal map."""

from corank.train.penalties.base import Penalty as Penalty
from corank.train.penalties.group_lasso import GroupLasso as GroupLasso
from corank.train.penalties.l1 import L1 as L1
from corank.train.penalties.nuclear_norm import NuclearNorm as NuclearNorm

__all__ = ["L1", "GroupLasso", "NuclearNorm", "Penalty"]
