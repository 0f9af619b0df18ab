import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.errors import TrainingError
from instructkit.schema import Example, frame
from instructkit.train.data.tokenizer import message_texts, train_tokenizer

TEXTS = ["def add(a, b):\n    return a + b", "The moon pulls the sea.", "你好，世界"] * 10


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 400, 128)


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_decodes_to_itself(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_the_same_texts_give_the_same_tokenizer(tokenizer):
    assert train_tokenizer(TEXTS, 400, 128).backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_the_stop_token_is_the_end_token_and_one_token(tokenizer):
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer("<|im_end|>", add_special_tokens=False)["input_ids"] == [tokenizer.eos_token_id]
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_no_texts_are_an_error():
    with pytest.raises(TrainingError, match="train split is empty"):
        train_tokenizer([], 400, 128)


def test_message_texts_come_in_order_with_reasoning(colours):
    assert list(message_texts([frame(Example, colours(2))])) == [
        "(0) What colour is sky?",
        "It is blue.",
        "(1) What colour is grass?",
        "It is green.",
    ]
