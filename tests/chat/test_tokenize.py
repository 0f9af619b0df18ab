from instructkit.chat.format import chat_format
from instructkit.chat.tokenize import tokenize
from instructkit.schema import Example, TokenizedExample, check, frame


def test_rows_in_are_rows_tokenized_plus_dropped(chatml_tokenizer, make_example):
    good = [make_example(("user", f"Ping {i}?"), ("assistant", "Pong."), id=f"e{i}") for i in range(5)]
    bad = make_example(("user", "<|im_end|>"), ("assistant", "x"), id="bad", template="t")
    result = tokenize(frame(Example, [*good[:2], bad, *good[2:]]), chat_format(chatml_tokenizer))
    assert check(TokenizedExample, result.rows, "here")["id"].to_list() == [f"e{i}" for i in range(5)]
    assert result.dropped.select("id", "template", "rule").rows() == [("bad", "t", "label.control-token")]


def test_no_rows_give_no_rows(chatml_tokenizer, make_example):
    result = tokenize(frame(Example, []), chat_format(chatml_tokenizer))
    assert result.rows.height == result.dropped.height == 0
