import pytest

from instructkit.chat.view import token_view
from instructkit.errors import TrainingError


def test_the_texts_joined_are_the_conversation_and_the_weights_its_answer(chatml_tokenizer, make_example):
    pairs = token_view(make_example(("user", "Ping 😀?"), ("assistant", "Pong 😀.")), chatml_tokenizer)
    assert "".join(text for text, _ in pairs) == (
        "<|im_start|>user\nPing 😀?<|im_end|>\n<|im_start|>assistant\nPong 😀.<|im_end|>\n"
    )
    assert "".join(text for text, weight in pairs if weight) == "Pong 😀.<|im_end|>"


def test_an_example_that_cannot_be_labelled_says_why(chatml_tokenizer, make_example):
    with pytest.raises(TrainingError, match=r"example e1: .*control token"):
        token_view(make_example(("user", "<|im_start|>"), ("assistant", "x")), chatml_tokenizer)
