"""Run as two ranks: sliced by fsdp2, one of them runs out of memory in a step."""

import runpy
import sys
from pathlib import Path

import torch

from instructkit.train.step.ranks import joined

if __name__ == "__main__":
    torch.set_num_threads(1)
    ours = runpy.run_path(str(Path(__file__).with_name("gradients_on_ranks.py")))
    with joined() as ranks:
        ours["Small"].only = 1
        ours["Small"].losses.__globals__["RANK"] = ranks.rank
        data, rows = ours["make_data"](False)
        made = ours["make_stepper"](
            ours["make_model"](), data, rows, ranks, size=4, runner=ours["Small"], parallel="fsdp2"
        )
        made.gradients(0, rows)
    sys.exit("went on")
