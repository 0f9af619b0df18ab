"""Run as several ranks: the gradients of a step in every layout, cut and way to spread, against the definition.

The definition is computed on each rank for itself: every document alone, Σ w·nll / Σ w, plain cross-entropy.
"""

import itertools
import json
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from torch.distributed.tensor import DTensor
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    BertConfig,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
)

from instructkit.errors import TrainingError
from instructkit.models.batch import Document
from instructkit.models.runner import Runner, make_runner
from instructkit.train import build
from instructkit.train.config.adapter import Adapter
from instructkit.train.config.training import Training
from instructkit.train.model.adapters import Adapted, adapt
from instructkit.train.step.ranks import joined

RANK = 0
CAPACITY = 40
LENGTHS = [[40], [17, 20], [9, 9, 22], [1, 30], [38], [12, 3, 11, 14], [25, 15], [33, 7]]
ZERO = 3
"""This row has no trained token."""


@dataclass
class Data:
    documents: list

    def __post_init__(self):
        self.lengths = np.array([len(d.ids) for d in self.documents])
        targets = [d.weights[max(1, d.read_tokens) :] for d in self.documents]
        self.supervised = np.array([int((w > 0).sum()) for w in targets])
        self.loss_weights = np.array([w.sum(dtype=np.float64) for w in targets])
        self.example_ids = [str(i) for i in range(len(self.documents))]

    def document(self, index):
        return self.documents[index]


def make_data(weighted):
    rng = np.random.default_rng(3)
    documents, rows = [], []
    for r, lengths in enumerate(LENGTHS):
        rows.append(np.arange(len(documents), len(documents) + len(lengths)))
        for n in lengths:
            trained = (rng.random(n) < 0.5) & (r != ZERO)
            weights = trained * (rng.random(n) * 2 if weighted else 1.0)
            documents.append(Document(rng.integers(0, 97, n).astype(np.int32), weights.astype(np.float32)))
    return Data(documents), rows


def make_model(tied=True, frozen=False, dropout=0.0):
    torch.manual_seed(1)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    model = LlamaForCausalLM(LlamaConfig(**shape, vocab_size=97, tie_word_embeddings=tied, attention_dropout=dropout))
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            parameter.data.mul_(6)  # fresh weights are so small that a wrong gradient would hardly differ
        if frozen:
            parameter.requires_grad_(("layers.1" in name and "q_proj" in name) or "lm_head" in name)
    return model.train()


def adapted():
    model = adapt(make_model(), Adapter(rank=2), steps=3).model
    torch.manual_seed(2)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    return model


def other(auto, config):
    torch.manual_seed(1)
    model = auto.from_config(config)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data.mul_(3)
    return model.train()


SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 97}
SMALL_T5 = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "dropout_rate": 0.0}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
OTHERS = {
    "an encoder-decoder": lambda: other(
        AutoModelForSeq2SeqLM, T5Config(**SMALL_T5, vocab_size=97, decoder_start_token_id=0)
    ),
    "a classifier": lambda: other(AutoModelForSequenceClassification, BertConfig(**SHAPE, **NO_DROPOUT, num_labels=3)),
    "an adapter": adapted,
    "adversaries": make_model,
}
FIELDS = {"adversaries": {"fgm": 0.5, "neftune": 5.0}}


def of_kind(name, data):
    """The same documents as that kind reads them; the one-token document has nothing to read and becomes longer."""
    if name in ("an adapter", "adversaries"):
        return data
    made = []
    for ids, weights, _ in data.documents:
        ids, weights = (ids, weights) if len(ids) > 2 else (np.full(3, 5, np.int32), np.ones(3, np.float32))
        if name == "a classifier":
            given = np.append(ids[:-1], ids[-1] % 3).astype(np.int32)
            made.append(
                Document(given, np.append(np.zeros(len(ids) - 1), weights[-1]).astype(np.float32), len(ids) - 1)
            )
        else:
            read = len(ids) // 2
            made.append(Document(ids, np.append(np.zeros(read), weights[read:]).astype(np.float32), read))
    return Data(made)


def whole(tensor):
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gradients(model):
    return {name: whole(p.grad).clone() for name, p in model.named_parameters() if p.grad is not None}


def by_definition(model, data, rows):
    documents = [data.document(i) for row in rows for i in row]
    weight = sum(float(d.weights[1:].sum(dtype=np.float64)) for d in documents)
    total = 0.0
    for document in documents:
        ids = torch.from_numpy(document.ids.astype(np.int64))
        logits = model(ids[None], use_cache=False).logits[0, :-1]
        nll = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
        part = (nll * torch.from_numpy(document.weights[1:])).sum() / weight
        part.backward()
        total += part.item()
    found = gradients(model)
    model.zero_grad()
    return total, found


def difference(found, expected):
    if found.keys() != expected.keys():
        return f"gradients of {sorted(found.keys() ^ expected.keys())}"
    return max(
        float((found[name] - expected[name]).abs().max() / expected[name].abs().max().clamp(min=1)) for name in expected
    )


def make_stepper(model, data, rows, ranks, size=1, layout="packed", runner=Runner, **fields):
    found = make_runner(model, CAPACITY)
    given = runner(**{**vars(found), "layout": layout if found.layout == "packed" else found.layout})
    config = Training(
        examples="x", model="m", sequence_length=CAPACITY, micro_batch_sequences=size, learning_rate=0.1, **fields
    )
    plan = SimpleNamespace(rows=rows, steps=3, step=lambda number: rows)
    return build.make_stepper(given, Adapted(model), config, data, plan, ranks)


class Small(Runner):
    """Runs out of memory above 60 tokens, on one rank only or on all."""

    only = None

    def losses(self, batch):
        if batch.input_ids.numel() > 60 and self.only in (None, RANK):
            raise torch.OutOfMemoryError("no memory for so much")
        return super().losses(batch)


class SmallOnOne(Small):
    only = 1


def main(ranks, say):
    kinds = ["one"] if ranks.size == 1 else ["ddp", "fsdp2"]
    for weighted in (False, True) if ranks.size < 4 else (True,):
        data, rows = make_data(weighted)
        expected = {n: by_definition(make_model(), data, rows[:n]) for n in (8, 1)}
        for kind, layout in itertools.product(kinds, ("packed", "padded")):
            stepper = make_stepper(make_model(), data, rows, ranks, layout=layout, parallel=spread(kind))
            # 8 rows in one, two, eight micro-batches a rank; one row, so that all ranks but one have none.
            for size, count, settled in ((8, 8, 0), (8, 8, 2), (4, 8, 2), (2, 8, 2), (1, 8, 2), (1, 8, 0), (8, 1, 2)):
                stepper.size, stepper.settled = size, settled
                loss, _ = stepper.gradients(0, rows[:count])
                found = difference(gradients(stepper.parallel.runner.model), expected[count][1])
                stepper.parallel.discard()
                weights = "weighted" if weighted else "plain"
                say(f"{kind} {layout} {weights} {count} rows by {size}, settled {settled}", found)
                say(f"loss of {kind} {layout} {weights} {count} by {size}, {settled}", abs(loss - expected[count][0]))
    if ranks.size > 2:  # the rest is the same for any number of ranks, and takes long on few cores
        return
    data, rows = make_data(True)
    for kind, name in itertools.product(kinds, OTHERS):
        model, given = OTHERS[name](), of_kind(name, data)
        fields = FIELDS.get(name, {})
        own = make_stepper(model, given, rows, type(ranks)(), size=100, **fields)
        own.gradients(0, rows)
        for size in (1, 8):
            stepper = make_stepper(OTHERS[name](), given, rows, ranks, size=size, parallel=spread(kind), **fields)
            stepper.gradients(0, rows)
            found = gradients(stepper.parallel.runner.model)
            say(f"{kind} of {name} by {size}", difference(found, gradients(own.parallel.runner.model)))
    for kind in kinds:
        for about, model, fields in (
            ("an untied head", {"tied": False}, {}),
            ("frozen weights", {"tied": False, "frozen": True}, {}),
            ("activation checkpointing", {}, {"activation_checkpointing": True}),
            ("cpu offload", {}, {"cpu_offload": True} if kind == "fsdp2" else {}),
        ):
            stepper = make_stepper(make_model(**model), data, rows, ranks, size=2, parallel=spread(kind), **fields)
            stepper.gradients(0, rows)
            found = gradients(stepper.parallel.runner.model)
            say(f"{kind} with {about}", difference(found, by_definition(make_model(**model), data, rows)[1]))
        limited = (Small,) if kind != "ddp" else (Small, SmallOnOne)
        for runner, settled in itertools.product(limited, (0, 2)):
            stepper = make_stepper(make_model(), data, rows, ranks, size=4, runner=runner, parallel=spread(kind))
            stepper.settled, said = settled, []
            stepper.say = said.append
            about = f"{kind} out of memory, {runner.__name__}, settled {settled}"
            if kind == "fsdp2":  # the others would wait for this rank in the middle of the model
                say(about, refused(stepper, rows))
                continue
            while stepper.gradients(0, rows) is None:
                stepper._halve(0)
            found = gradients(stepper.parallel.runner.model)
            say(about, difference(found, expected[8][1]))
            say(
                f"{about}: said {len(said)} times, size {stepper.size}",
                0.0 if (len(said), stepper.size) == (2, 1) else 1.0,
            )
    expected = trained(make_stepper(make_model(), data, rows, type(ranks)(), size=3))
    for kind in kinds:
        found = trained(make_stepper(make_model(), data, rows, ranks, size=1, parallel=spread(kind)))
        say(f"{kind}: three steps of the optimizer", difference(found, expected) if ranks.first else 0.0)


def refused(stepper, rows):
    try:
        stepper.gradients(0, rows)
    except TrainingError as error:
        return 0.0 if "start again with micro_batch_sequences: 2, and it goes on" in str(error) else str(error)
    return "went on"


def trained(stepper):
    """The weights after three steps, and an evaluation by rank 0 between them, which must leave no trace."""
    for number in range(3):
        stepper.step(number, stepper.plan.rows)
        with torch.inference_mode():
            stepper.parallel.alone(lambda: float(stepper.parallel.runner.losses(stepper.nothing)[0]))
    runner = stepper.parallel.whole_runner(lambda: make_runner(make_model(), CAPACITY))
    return {name: p.detach() for name, p in runner.model.named_parameters()} if stepper.parallel.ranks.first else None


def spread(kind):
    return "auto" if kind == "one" else kind


if __name__ == "__main__":
    torch.set_num_threads(1)
    results = {}
    with joined() as ranks:
        RANK = ranks.rank
        main(ranks, results.__setitem__)
    with open(sys.argv[1], "w") as file:
        json.dump(results, file)
