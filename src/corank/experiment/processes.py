"""One command in several processes: `torchrun` starts them, this joins them, and only one of them speaks.

The first process says what was found. What went wrong is said by the process where it went wrong first: a mistake that
all of them meet is told once, and one that a single process meets is told by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

PATIENCE = timedelta(seconds=10)  # for an answer of torchrun, which runs beside its processes


def is_first_process() -> bool:
    """Whether this process is the one that writes and prints, where several work together."""
    if distributed.is_initialized():
        return distributed.get_rank() == 0
    return os.environ.get("RANK", "0") == "0"  # as torchrun sets it, before the processes have joined


def is_first_to_fail() -> bool:
    """Whether no other process of this run has asked this before; to be asked by one that cannot go on."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":  # no torchrun that keeps count
        return is_first_process()
    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = distributed.TCPStore(address, port, timeout=PATIENCE)  # type: ignore[attr-defined]
        return int(store.add(f"corank failed in start {start}", 1)) == 1
    except RuntimeError:  # torchrun is gone: better told twice than never
        return True


@contextmanager
def joined_processes(device: torch.device) -> Iterator[torch.device]:
    """The process group that `torchrun` started this process for; yields the device of this process.

    Without `torchrun` there is one process, and nothing is joined. A process that fails leaves the group by its end,
    after it has said why: the others notice at once, and would say only that it is gone.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield device
        return
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield device
    distributed.destroy_process_group()
