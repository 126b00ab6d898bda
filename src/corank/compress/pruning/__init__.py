"""Channel pruning: which channels go together, how much each is worth, and the widest network that meets a target."""

from corank.compress.pruning.path import Fitting as Fitting
from corank.compress.pruning.path import PruningPath as PruningPath
from corank.compress.pruning.path import Scope as Scope
from corank.compress.pruning.path import pruned_to as pruned_to
from corank.compress.pruning.path import pruning_path as pruning_path
from corank.compress.pruning.scores import ImportanceName as ImportanceName

__all__ = ["Fitting", "ImportanceName", "PruningPath", "Scope", "pruned_to", "pruning_path"]
