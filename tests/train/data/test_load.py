import msgspec
import polars as pl
import pytest

from instructkit.chat.format import chat_format
from instructkit.errors import TrainingError
from instructkit.schema import Drop, Message, check, empty
from instructkit.train.data.load import load
from instructkit.train.data.preflight import Preflight
from instructkit.train.data.tokenizer import train_tokenizer
from instructkit.train.watch.progress import silent


@pytest.fixture
def prepare(small, tmp_path):
    def run(shards, say=silent, **fields):
        tokenizer = train_tokenizer(["What colour is the sky?"], 300, 128)
        return load(shards, chat_format(tokenizer), small(**fields), tmp_path / "cache", "key", say)

    return run


def with_messages(example, *turns, **values):
    return msgspec.structs.replace(example, messages=[Message(role=r, content=c) for r, c in turns], **values)


def test_every_row_is_trained_on_or_counted_with_its_reason(colours, write_shards, prepare):
    first, *rest = [e for e in colours(400) if e.split == "train"]
    long = with_messages(first, ("user", "x" * 500), ("assistant", "y"), id="long", template="t")
    silent_one = with_messages(first, ("user", "x"), id="silent", template="t")
    control = with_messages(first, ("user", "<|im_end|>"), ("assistant", "y"), id="control", template="t")
    data, preflight = prepare(write_shards([long, silent_one, control, *rest]))
    table = preflight.table
    fates = ["trained", "overlong", "unlabelled", "zero_label"]
    assert table.select(pl.sum_horizontal(fates) == pl.col("rows")).to_series().all()
    row = table.row(by_predicate=pl.col("template") == "t", named=True)
    assert [row[f] for f in fates] == [0, 1, 1, 1]
    dropped = check(Drop, preflight.dropped, "dropped")
    assert dict(dropped.select("id", "rule").rows()) == {
        "long": "train.overlong",
        "silent": "train.zero_label",
        "control": "label.control-token",
    }
    assert dropped.row(by_predicate=pl.col("id") == "long", named=True)["threshold"] == "128"
    assert data.example_ids == [e.id for e in rest]
    assert preflight.total("tokens") == len(data.ids) == data.lengths.sum()


def test_a_training_that_is_refused_shows_what_is_lost_first(colours, write_shards, prepare):
    first, *rest = [e for e in colours(40) if e.split == "train"]
    long = with_messages(first, ("user", "x" * 500), ("assistant", "y"), id="long", source="books", template=None)
    said = []
    with pytest.raises(TrainingError, match="do not fit"):
        prepare(write_shards([long, *rest]), said.append)
    shown = [line.split() for line in next(e.message for e in said if e.phase == "prepare").splitlines()]
    assert shown[1:] == [
        ["source", "template", "rows", "overlong", "trained", "supervised", "tokens"],
        ["books", "-", "1", "1", "0", "0"],
    ]


def test_a_long_table_shows_the_worst_and_says_how_many_more_there_are():
    counts = {name: [0] * 30 for name in ("trained", "tokens", "supervised_tokens", "unlabelled", "zero_label")}
    lost = list(range(1, 31))
    names = [f"t{n}" for n in lost]
    table = pl.DataFrame({"source": ["s"] * 30, "template": names, "rows": lost, "overlong": lost, **counts})
    lines = Preflight(table, empty(Drop)).lines()
    assert lines[1].split()[:2] == ["s", "t30"]
    assert lines[-1] == "and 10 more in preflight.json"


def test_documents_are_the_tokens_of_their_examples(shards, prepare):
    data, preflight = prepare(shards)
    ids, weights, _ = data.document(3)
    assert len(ids) == len(weights) == data.lengths[3]
    supervised = sum(int((data.document(i)[1][1:] > 0).sum()) for i in range(len(data.lengths)))
    assert supervised == preflight.total("supervised_tokens")


def test_too_many_overlong_examples_stop_the_training_with_both_numbers(shards, prepare):
    with pytest.raises(TrainingError, match=r"do not fit sequence_length 40; the longest, x\d+, has \d+ tokens.*drop"):
        prepare(shards, sequence_length=40)


def test_overlong_examples_are_dropped_when_asked(shards, prepare):
    whole, _ = prepare(shards)
    limit = int(whole.lengths.max()) - 1
    data, preflight = prepare(shards, sequence_length=limit, overlong="drop")
    assert preflight.total("overlong") > 0
    assert data.lengths.max() <= limit


def test_too_many_unlabelled_examples_stop_the_training_with_the_reason(colours, write_shards, prepare):
    bad = [with_messages(e, ("user", "<|im_end|>"), ("assistant", "y")) for e in colours(30)]
    with pytest.raises(TrainingError, match=r"cannot be labelled.*max_unlabelled 1\.0%.*control token"):
        prepare(write_shards(bad))


def test_no_training_split_says_what_to_do(colours, write_shards, prepare):
    bare = [msgspec.structs.replace(e, split=None) for e in colours(10)]
    with pytest.raises(TrainingError, match="put a `split` step before"):
        prepare(write_shards(bare))


def test_two_examples_with_one_id_are_refused(colours, write_shards, prepare):
    (one, *_) = [e for e in colours(10) if e.split == "train"]
    with pytest.raises(TrainingError, match=f"id {one.id}"):
        prepare(write_shards([one, one]))


def test_tokens_are_kept_for_the_next_run(shards, prepare):
    said = []
    (first, table), (second, again) = prepare(shards), prepare(shards, said.append)
    assert any("earlier run" in (event.message or "") for event in said)
    assert (first.ids == second.ids).all()
    assert table.table.equals(again.table)
