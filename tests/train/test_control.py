"""The control: what a model learns must come from the pairing of prompt and answer, not from the answers alone."""

import random

import msgspec

from instructkit.evaluate.run import evaluate
from instructkit.train.config.scratch import Scratch
from instructkit.train.run import train


def test_true_pairs_teach_more_than_shuffled_answers_and_more_than_nothing(
    small, shards, colours, write_shards, tmp_path
):
    examples = colours()
    train_rows = [i for i, e in enumerate(examples) if e.split == "train"]
    answers = [examples[i].messages[1] for i in train_rows]
    random.Random(0).shuffle(answers)
    shuffled = list(examples)
    for i, answer in zip(train_rows, answers, strict=True):
        shuffled[i] = msgspec.structs.replace(examples[i], messages=[examples[i].messages[0], answer])
    shape = Scratch(hidden_size=64, layers=2, heads=2, vocab_size=360)
    config = small(model=shape, max_steps=120, learning_rate=5e-3)
    true = train(config, shards, tmp_path / "true", dataset_hash="true")
    control = train(config, write_shards(shuffled, "control"), tmp_path / "control", dataset_hash="control")
    # Both are measured on the same held-out examples, with their true answers.
    held_out = evaluate(control.model, shards).overall.loss
    assert true.after.overall.loss < 0.6 * held_out
    assert held_out < true.before.overall.loss
    for part in true.after.slices:
        assert part.loss < true.before.find(part.by, part.name).loss - 1
