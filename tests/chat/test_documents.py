import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors

from instructkit.chat.documents import tokenize_documents
from instructkit.errors import TrainingError
from instructkit.schema import Document, Origin, TokenizedExample, check, frame


def documents(*texts):
    rows = [Document(id=f"d{i}", source="s", origin=Origin(file="f"), text=t, group="g") for i, t in enumerate(texts)]
    return frame(Document, rows)


@pytest.fixture(scope="module")
def tokenizer(make_tokenizer):
    return make_tokenizer(["<s>", "</s>"], bos_token="<s>", eos_token="</s>")


def test_every_token_is_trained_but_the_first_which_nothing_foretells(tokenizer):
    result = tokenize_documents(documents("The moon pulls the sea."), tokenizer, 64)
    (row,) = check(TokenizedExample, result.rows, "here").rows(named=True)
    assert tokenizer.decode(row["input_ids"]) == "The moon pulls the sea.</s>"
    assert row["weights"] == [0.0] + [1.0] * (len(row["input_ids"]) - 1)
    assert (row["piece"], row["read_tokens"]) == (0, 0)


def test_a_text_begins_as_the_tokenizer_begins_texts(make_tokenizer):
    tokenizer = make_tokenizer(["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    (row,) = tokenize_documents(documents("The moon."), tokenizer, 64).rows.rows(named=True)
    assert tokenizer.decode(row["input_ids"]) == "<s>The moon.</s>"


def test_a_control_token_in_a_text_is_text(tokenizer):
    (row,) = tokenize_documents(documents("<s>old</s> new"), tokenizer, 64).rows.rows(named=True)
    assert row["input_ids"].index(tokenizer.eos_token_id) == len(row["input_ids"]) - 1
    assert tokenizer.decode(row["input_ids"]) == "<s>old</s> new</s>"


def test_a_document_without_text_is_a_drop(tokenizer):
    result = tokenize_documents(documents(" \n", "a"), tokenizer, 64)
    assert result.dropped.select("id", "rule").rows() == [("d0", "label.no-tokens")]
    assert result.rows["id"].to_list() == ["d1"]


def test_a_saved_truncation_does_not_cut_texts(make_tokenizer):
    tokenizer = make_tokenizer(["</s>"], eos_token="</s>")
    tokenizer.backend_tokenizer.enable_truncation(2)
    tokenizer.backend_tokenizer.enable_padding()
    rows = tokenize_documents(documents("The moon pulls the sea.", "a"), tokenizer, 64).rows
    assert [tokenizer.decode(ids) for ids in rows["input_ids"]] == ["The moon pulls the sea.</s>", "a</s>"]


def test_a_tokenizer_without_end_token_is_refused(make_tokenizer):
    with pytest.raises(TrainingError, match="no end token"):
        tokenize_documents(documents("a"), make_tokenizer([]), 64)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=5),
    max_tokens=st.integers(2, 30),
)
def test_law_pieces_fit_and_train_each_token_of_a_document_once(texts, max_tokens, tokenizer):
    result = tokenize_documents(documents(*texts), tokenizer, max_tokens)
    assert result.rows["id"].n_unique() + result.dropped.height == len(texts)
    assert all(1 <= len(ids) <= max_tokens for ids in result.rows["input_ids"])
    for i, text in enumerate(texts):
        pieces = result.rows.filter(pl.col("id") == f"d{i}")
        assert pieces["piece"].to_list() == list(range(pieces.height))
        if not pieces.height:
            continue
        whole = [
            *pieces["input_ids"][0][:1],
            *(
                i
                for ids, w in pieces.select("input_ids", "weights").iter_rows()
                for i, x in zip(ids, w, strict=True)
                if x
            ),
        ]
        assert tokenizer.decode(whole) == text + "</s>"
        assert all(np.count_nonzero(w) == len(w) - 1 for w in pieces["weights"])
