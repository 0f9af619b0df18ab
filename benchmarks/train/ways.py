"""One way to train, in a process of its own: `python -m benchmarks.train.ways WAY STEPS PROJECT OUT [PEERS]`.

PEERS is a folder from which other libraries may be imported. All start from the same weights and see the same chats, in
fp32, with AdamW at one constant rate. The seconds of each step are taken as each trainer counts steps; the first is
left out, in which memory is laid out.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import orjson

from benchmarks.train.project import SEQUENCE_LENGTH, TOKENS_PER_STEP, read_chats

TRL_VERSION = "1.16.0"
RATE = 5e-4
BETAS = (0.9, 0.95)
ROWS_AT_ONCE = 1
"""Packed rows of a micro-batch of TRL, which is quickest with one: several become one long row under a dense mask."""
CHATS_AT_ONCE = 4
"""Padded chats of a micro-batch of transformers.Trainer. More of them need more memory and no less time."""


class Took(msgspec.Struct, frozen=True, kw_only=True):
    """What a way took."""

    tokens: int
    """Real ones, padding left out, of the steps that were timed."""
    seconds: float
    steps: int


def instructkit(precision: str, steps: int, project: Path, out: Path) -> Took:
    """The trainer here, from Parquet to a model folder."""
    from instructkit.train.config.training import Training
    from instructkit.train.run import train

    config = Training(
        examples="chats",
        model=str(project / "model"),
        sequence_length=SEQUENCE_LENGTH,
        overlong="drop",
        tokens_per_step=TOKENS_PER_STEP,
        learning_rate=RATE,
        warmup=0.0,
        min_learning_rate=1.0,
        weight_decay=0.0,
        betas=BETAS,
        max_steps=steps,
        precision=precision,  # type: ignore[arg-type]
        generations=0,
        checkpoint_every=None,
    )
    train(config, [project / "examples/0.parquet"], out / "run", dataset_hash="benchmark")
    (out / "run/model").rename(out / "model")
    lines = [orjson.loads(line) for line in (out / "run/metrics.jsonl").read_bytes().splitlines()][1:]
    return Took(tokens=sum(x["tokens"] for x in lines), seconds=sum(x["seconds"] for x in lines), steps=len(lines))


def trainer(grouped: bool, steps: int, project: Path, out: Path) -> Took:
    """transformers.Trainer on padded chats, as they come or grouped by length."""
    import transformers
    from datasets import Dataset

    chats = read_chats(project / "tokens.npz")
    rows = [{"input_ids": ids, "labels": labels, "length": len(ids)} for ids, labels in chats.rows()]
    a_step = max(1, round(len(rows) / steps / CHATS_AT_ONCE)) * CHATS_AT_ONCE
    arguments = transformers.TrainingArguments(
        **_arguments(out, steps),
        per_device_train_batch_size=CHATS_AT_ONCE,
        gradient_accumulation_steps=a_step // CHATS_AT_ONCE,
        train_sampling_strategy="group_by_length" if grouped else "random",
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(project / "model")
    clock = _clock(transformers)
    made = transformers.Trainer(
        model=_model(project / "model"),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        data_collator=_counting(transformers.DataCollatorForSeq2Seq(tokenizer), clock),
        callbacks=[clock],
    )
    made.train()
    made.model.save_pretrained(out / "model")
    return clock.took()


def trl(steps: int, project: Path, out: Path) -> Took:
    """TRL's SFTTrainer with packing, which keeps documents apart by their positions."""
    import transformers
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    chats = read_chats(project / "tokens.npz")
    rows = [{"input_ids": ids, "labels": labels} for ids, labels in chats.rows()]
    clock = _clock(transformers)
    made = SFTTrainer(
        model=_model(project / "model"),
        args=SFTConfig(
            **_arguments(out, steps),
            packing=True,
            max_length=SEQUENCE_LENGTH,
            per_device_train_batch_size=ROWS_AT_ONCE,
            gradient_accumulation_steps=TOKENS_PER_STEP // SEQUENCE_LENGTH // ROWS_AT_ONCE,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=transformers.AutoTokenizer.from_pretrained(project / "model"),
        callbacks=[clock],
    )
    made.data_collator = _counting(made.data_collator, clock)
    made.train()
    made.model.save_pretrained(out / "model")
    return clock.took()


def _model(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _arguments(out: Path, steps: int) -> dict[str, Any]:
    return {
        "output_dir": str(out),
        "max_steps": steps,
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "adam_beta1": BETAS[0],
        "adam_beta2": BETAS[1],
        "max_grad_norm": 1.0,
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": [],
        "logging_strategy": "no",
        "disable_tqdm": True,
        "seed": 17,
        "optim": "adamw_torch_fused",
    }


def _clock(transformers: Any) -> Any:
    """A callback that takes the time of each step and is told the tokens of each micro-batch."""

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.ends: list[float] = []
            self.tokens: list[int] = []

        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.micro_batches = args.gradient_accumulation_steps

        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self.ends.append(time.perf_counter())

        def took(self) -> Took:
            # Batches may be made one ahead; those of step k are the k-th so many.
            timed = self.tokens[self.micro_batches : self.micro_batches * len(self.ends)]
            return Took(tokens=sum(timed), seconds=self.ends[-1] - self.ends[0], steps=len(self.ends) - 1)

    return Clock()


def _counting(collate: Callable[[list[dict[str, Any]]], Any], clock: Any) -> Callable[[list[dict[str, Any]]], Any]:
    """The same collator, which tells the clock how many tokens are no padding."""

    def counted(rows: list[dict[str, Any]]) -> Any:
        clock.tokens.append(sum(len(row["input_ids"]) for row in rows))
        return collate([{k: v for k, v in row.items() if k != "length"} for row in rows])

    return counted


WAYS: dict[str, Callable[[int, Path, Path], Took]] = {
    "instructkit": partial(instructkit, "fp32"),
    "instructkit, bf16": partial(instructkit, "bf16"),
    "transformers.Trainer, padded": partial(trainer, False),
    "transformers.Trainer, grouped by length": partial(trainer, True),
    "TRL, packed": trl,
}

if __name__ == "__main__":
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    way, steps, project, out, *peers = sys.argv[1:]
    sys.path += filter(None, peers)
    print(msgspec.json.encode(WAYS[way](int(steps), Path(project), Path(out))).decode())
