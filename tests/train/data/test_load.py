from dataclasses import replace

import msgspec
import numpy as np
import polars as pl
import pytest

from instructkit.errors import TrainingError
from instructkit.hashing import uniform
from instructkit.store.atomic import locked_file
from instructkit.train.data.load import load
from instructkit.train.watch.progress import silent


def training_examples(colours, count=120):
    return [e for e in colours(count) if e.split == "train"]


def test_documents_are_the_tokens_of_their_examples(shards, prepare):
    data, preflight = prepare(shards)
    ids, weights, read = data.document(3)
    assert len(ids) == len(weights) == data.lengths[3]
    assert read == 0
    for counts, total in (
        (data.lengths, "tokens"),
        (data.supervised, "supervised_tokens"),
    ):
        assert counts.sum() == preflight.total(total)
    for i in range(len(data.lengths)):
        trained = data.document(i).weights[1:]
        assert data.supervised[i] == (trained > 0).sum()
        assert data.loss_weights[i] == trained[trained > 0].sum(dtype=np.float64)


def test_examples_stay_in_the_order_of_the_shards(colours, write_shards, prepare):
    examples = training_examples(colours)
    assert prepare(write_shards(examples))[0].example_ids.to_list() == [e.id for e in examples]


def test_overlong_examples_are_dropped_when_asked(shards, prepare):
    whole, _ = prepare(shards)
    limit = int(whole.lengths.max()) - 1
    data, preflight = prepare(shards, sequence_length=limit, overlong="drop")
    assert preflight.total("overlong") > 0
    assert data.lengths.max() <= limit


def test_a_shortened_prompt_takes_the_place_of_the_whole_one_and_answers_stay(colours, write_shards, prepare, chat,
                                                                               with_messages):  # fmt: skip
    first, second, *rest = training_examples(colours)
    long = with_messages(first, ("user", "x" * 300 + "?"), ("assistant", "It is blue."), repeats=2.0)
    hopeless = with_messages(second, ("user", "x?"), ("assistant", "y" * 300))
    data, preflight = prepare(write_shards([rest[0], long, hopeless, *rest[1:]]), overlong="cut-prompt")
    assert data.example_ids.to_list() == [rest[0].id, long.id, *(e.id for e in rest[1:])]
    assert (preflight.total("cut"), preflight.total("overlong")) == (1, 1)
    assert data.lengths.max() == data.lengths[1] <= 128
    assert data.repeats[1] == 2.0
    ids, weights, _ = data.document(1)
    assert chat.tokenizer.decode(ids[weights > 0].tolist()) == "It is blue.<|im_end|>"
    row = preflight.cut.row(0, named=True)
    before = int(row["value"])
    assert (row["id"], row["rule"], row["threshold"]) == (long.id, "train.cut_prompt", "128")
    assert row["detail"] == f"tokens, {before - data.lengths[1]} of the prompt taken out"
    assert preflight.lengths["longest"] >= before > 300


def test_another_sequence_length_cuts_the_whole_examples_anew(colours, write_shards, prepare, with_messages):
    first, *rest = training_examples(colours)
    shards = write_shards([with_messages(first, ("user", "x" * 300), ("assistant", "y")), *rest])
    said = []
    lengths = [prepare(shards, said.append, overlong="cut-prompt", sequence_length=n)[0].lengths[0] for n in (64, 128)]
    assert 32 < lengths[0] <= 64 < lengths[1] <= 128
    assert len([e for e in said if "earlier run" in (e.message or "")]) == 1


def test_no_training_split_says_what_to_do(colours, write_shards, prepare):
    bare = [msgspec.structs.replace(e, split=None) for e in colours(10)]
    with pytest.raises(TrainingError, match="put a `split` step before"):
        prepare(write_shards(bare))


def test_two_examples_with_one_id_are_refused(colours, write_shards, prepare):
    (one, *_) = training_examples(colours)
    with pytest.raises(TrainingError, match=f"id {one.id}"):
        prepare(write_shards([one, one]))


def test_tokens_are_kept_for_the_next_run(shards, prepare):
    said = []
    (first, table), (second, again) = prepare(shards), prepare(shards, said.append)
    assert any("earlier run" in (event.message or "") for event in said)
    assert (first.document(5).ids == second.document(5).ids).all()
    assert table.table.equals(again.table)


def test_a_cache_that_a_killed_run_left_behind_or_that_was_damaged_is_made_anew(shards, prepare, tmp_path):
    whole, _ = prepare(shards)
    (folder,) = (tmp_path / "cache").iterdir()
    ids = folder / "ids.bin"
    part = ids.read_bytes()[:100]
    ids.unlink()  # the first run still maps it
    ids.write_bytes(part)
    (tmp_path / "cache" / f".{folder.name}.1.writing").mkdir()
    again, _ = prepare(shards)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [folder.name]
    assert all((whole.document(i).ids == again.document(i).ids).all() for i in range(len(whole.lengths)))


def test_the_cache_holds_the_tokens_of_one_key(shards, prepare, tmp_path):
    prepare(shards, key="one")
    prepare(shards, key="other")
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_what_a_live_process_is_writing_is_left_alone(shards, prepare, tmp_path):
    beside = tmp_path / "cache/.tokens-other.1.writing"
    with locked_file(beside / ".lock", alone=True):
        prepare(shards)
        assert beside.exists()


def test_prompts_are_shortened_for_conversations_only(shards, source, small, tmp_path):
    documents = replace(source(shards), cut=None)
    with pytest.raises(TrainingError, match=r"cut-prompt takes .*set overlong: drop"):
        load(documents, small(overlong="cut-prompt"), tmp_path / "cache", silent)


def test_where_prompts_cannot_be_shortened_nobody_is_told_to(shards, source, small, tmp_path):
    config = small(sequence_length=48)
    for cut in (source(shards).cut, None):
        _, preflight = load(replace(source(shards), cut=cut), config, tmp_path / "cache", silent)
        with pytest.raises(TrainingError, match=r"raise it, or set .*overlong: drop") as refusal:
            preflight.refuse(config)
        said = [str(refusal.value), "\n".join(preflight.lines())]
        assert [("cut-prompt" in each) for each in said] == [cut is not None] * 2


def test_a_plan_in_which_nothing_comes_up_is_an_error(colours, write_shards, prepare, small):
    few = [msgspec.structs.replace(e, repeats=1e-9) for e in training_examples(colours)]
    data, _ = prepare(write_shards(few))
    with pytest.raises(TrainingError, match=r"none of \d+ examples comes up in 1 epochs"):
        data.plan(small(epochs=1.0))


def test_other_shards_of_the_same_examples_are_the_same_plan(colours, write_shards, prepare, small):
    examples = training_examples(colours)
    moved = sorted(examples, key=lambda e: uniform(0, e.id))
    rows = []
    for name, given in (("a", examples), ("b", moved)):
        data, _ = prepare(write_shards(given, name), key=name)
        rows.append([data.example_ids[int(i)] for row in data.plan(small()).rows for i in row])
    assert rows[0] == rows[1]


def test_an_example_without_tokens_of_its_own_is_not_trained_on(colours, write_shards, prepare, with_messages):
    first, *rest = training_examples(colours)
    data, preflight = prepare(write_shards([with_messages(first, ("user", "x")), *rest]))
    assert first.id not in data.example_ids.to_list()
    assert preflight.dropped.filter(pl.col("id") == first.id).height == 1
