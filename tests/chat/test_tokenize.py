from instructkit.chat.format import chat_format
from instructkit.chat.labels import label
from instructkit.chat.tokenize import tokenize
from instructkit.schema import Example, Message, TokenizedExample, check, frame


def test_rows_in_are_rows_tokenized_plus_dropped(chatml_tokenizer, make_example):
    good = [make_example(("user", f"Ping {i}?"), ("assistant", "Pong."), id=f"e{i}") for i in range(5)]
    bad = make_example(("user", "<|im_end|>"), ("assistant", "x"), id="bad", template="t")
    result = tokenize(frame(Example, [*good[:2], bad, *good[2:]]), chat_format(chatml_tokenizer))
    assert check(TokenizedExample, result.rows, "here")["id"].to_list() == [f"e{i}" for i in range(5)]
    assert result.dropped.select("id", "template", "rule").rows() == [("bad", "t", "label.control-token")]


def test_no_rows_give_no_rows(chatml_tokenizer, make_example):
    result = tokenize(frame(Example, []), chat_format(chatml_tokenizer))
    assert result.rows.height == result.dropped.height == 0


def test_the_order_is_that_of_the_rows_however_each_is_labelled(chatml_tokenizer, make_example, monkeypatch):
    monkeypatch.setattr("instructkit.chat.tokenize.BATCH_ROWS", 3)
    chat = chat_format(chatml_tokenizer, "chatml")
    examples = []
    for i in range(11):
        thought = "Hm." if i % 3 == 1 else None  # these are labelled one by one
        reply = Message(role="assistant", content=f"Pong {i}." if i % 4 else "<|im_end|>", reasoning=thought)
        examples.append(make_example(("user", "Ping 😀?"), reply, id=f"e{i}", weight=i + 0.5))
    result = tokenize(frame(Example, examples), chat)
    assert result.rows["id"].to_list() == [f"e{i}" for i in range(11) if i % 4]
    assert result.dropped["id"].to_list() == ["e0", "e4", "e8"]
    alone = {e.id: r for e, r in zip(examples, label(examples, chat), strict=True)}
    for row in result.rows.rows(named=True):
        assert row["input_ids"] == alone[row["id"]].input_ids.tolist()
        assert row["weights"] == alone[row["id"]].weights.tolist()
        assert row["labels"] == alone[row["id"]].labels.tolist()


def test_a_saved_truncation_does_not_cut_conversations(make_tokenizer, make_example):
    tokenizer = make_tokenizer(["<|im_start|>", "<|im_end|>"], eos_token="<|im_end|>")
    tokenizer.backend_tokenizer.enable_truncation(8)
    tokenizer.backend_tokenizer.enable_padding()
    examples = [make_example(("user", "Ping?"), ("assistant", f"Pong. {'a' * i}"), id=f"e{i}") for i in (1, 9)]
    rows = tokenize(frame(Example, examples), chat_format(tokenizer)).rows
    assert [tokenizer.decode(ids).count("a" * n) for n, ids in zip((1, 9), rows["input_ids"], strict=True)][1] == 1
