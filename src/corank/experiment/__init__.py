"""Studies of a user's own network, and what they are made of: runs, run folders, networks by name."""

from corank.experiment.choice import recommend
from corank.experiment.compressing import accuracies, compress_and_evaluate
from corank.experiment.evaluated import Accuracies, Evaluated
from corank.experiment.networks import Opened, open_network
from corank.experiment.run_folder import Origin, Run, load, load_run, save_run
from corank.experiment.store import Store
from corank.experiment.study import CutPlace, Study, StudyResult
from corank.experiment.training import Training

__all__ = [
    "Accuracies", "CutPlace", "Evaluated", "Opened", "Origin", "Run", "Store", "Study", "StudyResult", "Training",
    "accuracies", "compress_and_evaluate", "load", "load_run", "open_network", "recommend", "save_run",
]  # fmt: skip
