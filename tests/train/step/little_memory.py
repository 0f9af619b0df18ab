"""Run alone: a step that does not fit into what the system gives, beside the same step where it does."""

import json
import resource
import runpy
import sys
from pathlib import Path

import numpy as np
import torch

from instructkit.models.batch import Document
from instructkit.train.step.ranks import Ranks

ROWS, LENGTH, ROOM = 8, 4096, 60 << 20

if __name__ == "__main__":
    torch.set_num_threads(1)
    ours = runpy.run_path(str(Path(__file__).with_name("gradients_on_ranks.py")))
    ids = np.random.default_rng(0).integers(0, 97, LENGTH).astype(np.int32)
    pieces = [Document(piece, np.ones(len(piece), dtype=np.float32)) for piece in np.split(ids, 64)]
    data = ours["Data"](pieces)
    rows = [np.arange(64)] * ROWS
    found, said = [], []
    for size in (1, ROWS):
        stepper = ours["make_stepper"](ours["make_model"](), data, rows, Ranks(), size=size)
        stepper.say = said.append
        if size > 1:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.RLIM_INFINITY))
        while stepper.gradients(0, rows) is None:
            stepper._halve(0)
        found.append(ours["gradients"](stepper.parallel.runner.model))
    Path(sys.argv[1]).write_text(
        json.dumps({"difference": ours["difference"](*found), "said": said, "size": stepper.size})
    )
