import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.chat.rows import Tokenized
from instructkit.schema import Drop, Example, Message, Origin, TokenizedExample, columns, frame
from instructkit.train.data.tokens import open_tokens, write_tokens

weights = st.sampled_from([0.0, 0.0, 1.0, 0.5])
documents = st.lists(st.lists(st.tuples(st.integers(0, 70_000), weights), max_size=12), max_size=8)


def examples(count):
    one = Example(id="", content_hash="h", messages=[Message(role="user", content="x")], source="s",
                  origin=Origin(file="f", line=1), group="g")  # fmt: skip
    rows = frame(Example, [one] * count)
    return rows.with_columns(id=pl.Series([f"x{i}" for i in range(count)], dtype=pl.String))


def tokenized(ids, tokens, pieces=None, read=None):
    """Rows as `tokenize` gives them, and a drop for each None."""
    kept = [(i, t) for i, t in zip(ids, tokens, strict=True) if t is not None]
    values = {
        "id": [i for i, _ in kept],
        "piece": pieces or [0] * len(kept),
        "input_ids": [[token for token, _ in t] for _, t in kept],
        "labels": [[-100] * len(t) for _, t in kept],
        "weights": [[weight for _, weight in t] for _, t in kept],
        "read_tokens": read or [0] * len(kept),
    }
    drops = [
        Drop(id=i, origin=Origin(file="f", line=1), rule="label.x")
        for i, t in zip(ids, tokens, strict=True)
        if t is None
    ]
    return Tokenized(pl.DataFrame(values, schema=columns(TokenizedExample)), frame(Drop, drops))


@settings(deadline=None, max_examples=60)
@given(given=documents, empty=st.sets(st.integers(0, 7)), cut=st.integers(0, 8))
def test_law_what_is_written_is_read_back_token_for_token(given, empty, cut, tmp_path_factory):
    tokens = [None if i in empty else document for i, document in enumerate(given)]
    folder = tmp_path_factory.mktemp("cache") / "tokens"
    rows = examples(len(tokens))
    by_id = dict(zip(rows["id"], tokens, strict=True))
    frames = [rows[:cut], rows[cut:]]
    write_tokens(folder, frames, lambda batch: tokenized(batch["id"].to_list(), [by_id[i] for i in batch["id"]]))
    found = open_tokens(folder)
    assert found.rows["id"].to_list() == rows["id"].to_list()
    assert found.dropped["id"].to_list() == [i for i, t in by_id.items() if t is None]
    for row, document in enumerate(tokens):
        ids, loss, read = found.document(row)
        counts = found.rows.row(row, named=True)
        assert [*zip(ids.tolist(), loss.tolist(), strict=True)] == (document or [])
        assert (ids.dtype, loss.dtype, read) == (np.int32, np.float32, 0)
        trained = [weight for _, weight in (document or [])[1:] if weight > 0]
        expected = (None, None, None) if document is None else (len(document), len(trained), sum(trained))
        assert (counts["tokens"], counts["supervised_tokens"], counts["weight"]) == expected


def test_a_chat_takes_a_few_runs_of_weights_however_long(tmp_path):
    long = [(1, 0.0)] * 500 + [(2, 1.0)] * 500 + [(1, 0.0)] * 500
    write_tokens(tmp_path / "t", [examples(1)], lambda batch: tokenized(["x0"], [long]))
    assert open_tokens(tmp_path / "t").rows["runs"].to_list() == [3]


def test_pieces_of_a_document_get_ids_of_their_own(tmp_path):
    tokens = [[(1, 1.0)], [(2, 1.0)], [(3, 1.0), (4, 1.0)]]
    write_tokens(tmp_path / "t", [examples(2)], lambda b: tokenized(["x0", "x0", "x1"], tokens, [0, 1, 0], [0, 0, 1]))
    found = open_tokens(tmp_path / "t")
    assert found.rows["id"].to_list() == ["x0", "x0#2", "x1"]
    assert [found.document(i).ids.tolist() for i in range(3)] == [[1], [2], [3, 4]]
    assert found.document(2).read_tokens == 1


def test_rows_of_a_noun_without_template_and_repeats_count_once(tmp_path):
    rows = examples(1).drop("template", "repeats")
    write_tokens(tmp_path / "t", [rows], lambda batch: tokenized(["x0"], [[(1, 1.0)]]))
    assert open_tokens(tmp_path / "t").rows.select("template", "repeats").row(0) == (None, 1.0)


def test_nothing_stands_under_the_name_until_all_is_written(tmp_path):
    def fails(batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tokens(tmp_path / "t", [examples(3)], fails)
    assert not (tmp_path / "t").exists()
    assert open_tokens(tmp_path / "t") is None


@pytest.mark.parametrize("name", ["ids.bin", "weights.bin", "rows.parquet"])
def test_a_folder_that_was_damaged_is_not_read(tmp_path, name):
    write_tokens(tmp_path / "t", [examples(1)], lambda batch: tokenized(["x0"], [[(1, 1.0), (2, 0.0)]]))
    path = tmp_path / "t" / name
    path.write_bytes(path.read_bytes()[:-1])
    assert open_tokens(tmp_path / "t") is None


def test_a_second_process_leaves_the_folder_of_the_first(tmp_path):
    for token in (1, 2):
        write_tokens(tmp_path / "t", [examples(1)], lambda batch, t=token: tokenized(["x0"], [[(t, 1.0)]]))
    assert open_tokens(tmp_path / "t").document(0).ids.tolist() == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_the_arrays_are_of_the_file_and_cannot_be_written_to(tmp_path):
    write_tokens(tmp_path / "t", [examples(1)], lambda batch: tokenized(["x0"], [[(1, 1.0)]]))
    assert not open_tokens(tmp_path / "t").document(0).ids.flags.writeable
