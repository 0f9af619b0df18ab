import pytest

from instructkit.build.keys import KeyedStage
from instructkit.chat.format import chat_format
from instructkit.chat.tokenize import tokenize
from instructkit.errors import InputError
from instructkit.schema import Message
from instructkit.stages.mix.mix import Mix
from instructkit.stages.mix.tokens import token_counts
from instructkit.train.data.tokenizer import train_tokenizer

TEXTS = ["The moon pulls the sea.", "Twice a day it rises.", "Name the planets."] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a tokenizer, as transformers saves it."""
    folder = tmp_path_factory.mktemp("model")
    train_tokenizer(TEXTS, 300, 64).save_pretrained(folder)
    return folder


def said(*turns, source="s"):
    return {"source": source, "messages": [Message(role=role, content=content) for role, content in turns]}


@pytest.fixture
def rows(rows_of):
    """Conversations of three lengths, and plain texts."""
    chats = [said(("user", "Ping?"), ("assistant", "Pong. " * n), source="chats") for n in (1, 5, 20) * 4]
    return rows_of(chats + [said(("text", "The sea. " * 30), source="texts")] * 8)


def test_tokens_are_those_of_a_training(folder, rows):
    from transformers import AutoTokenizer

    trained = tokenize(rows, chat_format(AutoTokenizer.from_pretrained(folder))).rows
    assert token_counts(rows, str(folder)).to_list() == trained["input_ids"].list.len().to_list()


def test_a_row_that_cannot_be_labelled_has_no_tokens(folder, rows_of):
    rows = rows_of([said(("user", "<|im_end|>"), ("assistant", "x")), said(("text", "x"), ("user", "y"))])
    assert token_counts(rows, str(folder)).to_list() == [0, 0]


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_budget_in_tokens_is_met_to_less_than_a_row_of_each_value(folder, rows, mix, epochs):
    budget = 1_000 * epochs
    stage = Mix(weights={"chats": 1, "texts": 1}, tokens=budget, tokenizer=str(folder), epochs=epochs)
    kept, dropped = mix(stage, rows, 7)
    kept = kept.with_columns(tokens=token_counts(kept, str(folder)) * kept["repeats"])
    for source in ("chats", "texts"):
        short = budget / 2 - kept.filter(source=source)["tokens"].sum()
        longest = token_counts(rows.filter(source=source), str(folder)).max()
        assert 0 <= short < longest
    assert stage.outlook(rows.lazy())[-1].endswith(f"{int(kept['tokens'].sum()):,}")
    assert kept.height + dropped.height == rows.height
    assert all(threshold.endswith(" tokens") for threshold in dropped["threshold"])


def test_the_weights_beside_a_tokenizer_change_no_key(folder, tmp_path):
    import shutil

    root = tmp_path / "project"
    shutil.copytree(folder, root / "model")
    stage = Mix(tokens=5, tokenizer="model")
    before = KeyedStage("mixed", "mix", stage, root).keyed_fields
    (root / "model/model.safetensors").write_bytes(b"weights")
    assert KeyedStage("mixed", "mix", stage, root).keyed_fields == before
    (root / "model/tokenizer.json").write_text("{}")
    assert KeyedStage("mixed", "mix", stage, root).keyed_fields != before


def test_a_folder_without_a_tokenizer_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="not a folder with a tokenizer"):
        Mix(tokens=5, tokenizer="empty").keyed_inputs(tmp_path)


def test_a_mix_in_rows_is_keyed_by_no_tokenizer(tmp_path):
    assert Mix(rows=5).keyed_inputs(tmp_path) == {}
    assert Mix(rows=5).packages == ()
