"""Plain texts among conversations: one message of the role `text`, learned as it stands."""

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.chat.documents import tokenize_documents
from instructkit.chat.format import chat_format, format_for
from instructkit.chat.shards import hold_texts
from instructkit.chat.tokenize import tokenize
from instructkit.chat.view import token_view
from instructkit.schema import Document, Example, Message, Origin, TokenizedExample, check, frame

MOON = "The moon pulls the sea."
CHAT = (("user", "Ping?"), ("assistant", "Pong."))


@pytest.fixture(scope="module")
def tokenizer(make_tokenizer):
    special = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    return make_tokenizer(special, bos_token="<s>", eos_token="</s>")


@pytest.fixture(scope="module")
def rows_of(make_example):
    """A frame of examples from lists of turns, or from texts."""

    def make(*rows):
        turns = [[("text", row)] if isinstance(row, str) else row for row in rows]
        return frame(Example, [make_example(*each, id=f"e{n}") for n, each in enumerate(turns)])

    return make


def test_a_text_is_written_as_a_document_is_and_conversations_as_ever(tokenizer, rows_of):
    chat = chat_format(tokenizer)
    rows = check(TokenizedExample, tokenize(rows_of(CHAT, MOON, CHAT), chat).rows, "here")
    assert rows["id"].to_list() == ["e0", "e1", "e2"]
    document = Document(id="e1", source="s", origin=Origin(file="f"), text=MOON, group="g")
    assert rows[1].equals(tokenize_documents(frame(Document, [document]), tokenizer, None).rows)
    assert rows[0].drop("id").equals(rows[2].drop("id"))
    assert rows[0].equals(tokenize(rows_of(CHAT), chat).rows)
    assert tokenizer.decode(rows["input_ids"][1]) == MOON + "</s>"


texts = st.text("abc .", min_size=1, max_size=60).filter(str.strip)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.one_of(texts, st.just(CHAT)), min_size=1, max_size=8), st.integers(2, 30))
def test_order_is_kept_and_every_token_of_a_text_is_learned_once(tokenizer, rows_of, rows, piece_tokens):
    chat = format_for(tokenizer, None, "conversation", piece_tokens=piece_tokens)
    found = tokenize(rows_of(*rows), chat).rows
    assert found["id"].unique(maintain_order=True).to_list() == [f"e{n}" for n in range(len(rows))]
    for number, row in enumerate(rows):
        pieces = found.filter(id=f"e{number}")
        assert pieces["piece"].to_list() == list(range(pieces.height))
        if isinstance(row, str):
            whole = pieces["input_ids"][0].to_list() + [i for ids in pieces["input_ids"][1:] for i in ids[1:]]
            assert tokenizer.decode(whole) == row + "</s>"
            assert pieces["input_ids"].list.len().max() <= piece_tokens
            assert pieces["weights"].list.sum().sum() == len(whole) - 1
        else:
            assert pieces.height == 1


def test_a_text_has_its_weight(tokenizer, make_example):
    text = Message(role="text", content=MOON, weight=0.5)
    rows = tokenize(frame(Example, [make_example(text, weight=3.0)]), chat_format(tokenizer)).rows
    assert rows["weights"][0].to_list() == [0.0] + [1.5] * (len(rows["input_ids"][0]) - 1)


def test_a_model_of_texts_learns_examples_by_their_weight(tokenizer, make_example):
    rows = frame(Example, [make_example(*CHAT, weight=2.0), make_example(("text", MOON), id="e2", weight=0.5)])
    found = tokenize(rows, format_for(tokenizer, None, "document", piece_tokens=64)).rows
    assert [set(weights[1:]) for weights in found["weights"].to_list()] == [{2.0}, {0.5}]
    assert [tokenizer.decode(ids) for ids in found["input_ids"]] == ["Ping?\n\nPong.</s>", MOON + "</s>"]


def test_a_text_beside_other_messages_is_a_drop(tokenizer, rows_of):
    found = tokenize(rows_of([("text", MOON), *CHAT], [("text", MOON)] * 2), chat_format(tokenizer))
    assert found.rows.is_empty()
    assert found.dropped["rule"].to_list() == ["label.text"] * 2


def test_a_text_without_words_is_a_drop(tokenizer, rows_of):
    found = tokenize(rows_of(CHAT, " \n"), chat_format(tokenizer))
    assert found.dropped.select("id", "rule").rows() == [("e1", "label.no-tokens")]


def test_a_model_that_reads_and_writes_has_no_use_for_a_text(make_tokenizer, rows_of):
    reader = format_for(make_tokenizer(["</s>"], eos_token="</s>"), None, "pair")
    found = tokenize(rows_of(CHAT, MOON), reader)
    assert found.rows["id"].to_list() == ["e0"]
    assert found.dropped.select("id", "rule").rows() == [("e1", "label.text")]


def test_a_text_is_shown_with_what_the_tokenizer_writes_around_it(make_tokenizer, make_example):
    from tokenizers import processors

    tokenizer = make_tokenizer(["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    pairs = token_view(make_example(("text", "The sea </s> 😀")), tokenizer)
    assert "".join(text for text, _ in pairs) == "<s>The sea </s> 😀</s>"
    assert pairs[0] == ("<s>", 0.0)
    assert {weight for _, weight in pairs[1:]} == {1.0}
    assert pairs[-1] == ("</s>", 1.0)


def test_shards_say_whether_they_hold_texts(tmp_path, rows_of):
    paths = [tmp_path / f"{n}.parquet" for n in range(3)]
    for path, rows in zip(paths, [rows_of(CHAT), rows_of(CHAT, MOON), pl.DataFrame({"text": ["a"]})], strict=True):
        rows.write_parquet(path)
    assert [hold_texts([path]) for path in paths] == [False, True, True]
    assert hold_texts(paths[:2])
    assert not hold_texts([])
