import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from instructkit.chat.format import chat_format
from instructkit.chat.pairs import class_of, tokenize_pairs
from instructkit.errors import TrainingError
from instructkit.schema import Example, Message, TokenizedExample, check, frame

TURNS = (("system", "Be terse."), ("user", "Ping?"), ("assistant", "Pong."), ("user", "Again?"), ("assistant", "No."))


def closed(backend, special, post):
    """A tokenizer that begins or ends every text with control tokens, as those of T5 and BERT do."""
    backend.post_processor = processors.TemplateProcessing(
        single=post, special_tokens=[(t, backend.token_to_id(t)) for t in special if t in post]
    )
    return backend


@pytest.fixture(scope="module")
def t5(make_tokenizer):
    tokenizer = make_tokenizer(["<pad>", "</s>"], pad_token="<pad>", eos_token="</s>")
    closed(tokenizer.backend_tokenizer, ["</s>"], "$A </s>")
    return tokenizer


@pytest.fixture(scope="module")
def bert():
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    backend.train_from_iterator(
        ["be terse . ping ? pong . again ? no ."] * 3,
        trainers.WordPieceTrainer(vocab_size=90, special_tokens=special, show_progress=False),
    )
    closed(backend, special, "[CLS] $A [SEP]")
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")


def sides(result, tokenizer):
    (row,) = result.rows.rows(named=True)
    n = row["read_tokens"]
    return tokenizer.decode(row["input_ids"][:n]), tokenizer.decode(row["input_ids"][n:]), row["weights"]


def test_a_template_writes_what_is_read_and_the_reply_with_its_stop_token(chatml_tokenizer, make_example):
    result = tokenize_pairs(frame(Example, [make_example(*TURNS)]), chat_format(chatml_tokenizer))
    read, written, weights = sides(result, chatml_tokenizer)
    assert read == (
        "<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\nPing?<|im_end|>\n"
        "<|im_start|>assistant\nPong.<|im_end|>\n<|im_start|>user\nAgain?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert written == "No.<|im_end|>"
    assert np.count_nonzero(weights) == len(chatml_tokenizer(written, add_special_tokens=False)["input_ids"])


def test_without_a_template_contents_are_joined_and_each_side_ends_as_the_tokenizer_ends_texts(t5, make_example):
    result = tokenize_pairs(frame(Example, [make_example(*TURNS)]), t5)
    assert sides(result, t5)[:2] == ("Be terse.\n\nPing?\n\nPong.\n\nAgain?</s>", "No.</s>")
    check(TokenizedExample, result.rows, "here")


def test_a_tokenizer_that_does_not_end_texts_still_ends_replies(make_tokenizer, make_example):
    plain = make_tokenizer(["</s>"], eos_token="</s>")
    examples = frame(Example, [make_example(("user", "Ping?"), ("assistant", "Pong."))])
    assert sides(tokenize_pairs(examples, plain), plain)[:2] == ("Ping?", "Pong.</s>")
    with pytest.raises(TrainingError, match="no end token"):
        tokenize_pairs(examples, make_tokenizer([]))


def test_a_class_is_one_token_behind_the_text(bert, make_example):
    examples = [make_example(("user", "Ping?"), ("assistant", f" {name}\n"), id=name) for name in ("no", "yes", "hm")]
    result = tokenize_pairs(frame(Example, examples), bert, classes=["no", "yes"])
    assert result.rows["id"].to_list() == ["no", "yes"]
    for row, expected in zip(result.rows.rows(named=True), (0, 1), strict=True):
        assert bert.decode(row["input_ids"][:-1]) == "[CLS] ping ? [SEP]"
        assert row["read_tokens"] == len(row["input_ids"]) - 1
        assert (row["input_ids"][-1], row["weights"][-1]) == (expected, 1.0)
        assert not any(row["weights"][:-1])
    assert result.dropped.select("id", "rule").rows() == [("hm", "label.class")]


def test_a_class_of_a_chat_model_is_read_behind_the_prompt(chatml_tokenizer, make_example):
    examples = frame(Example, [make_example(("user", "Ping?"), ("assistant", "no"), weight=0.5)])
    (row,) = tokenize_pairs(examples, chat_format(chatml_tokenizer), classes=["no"]).rows.rows(named=True)
    text = chatml_tokenizer.decode(row["input_ids"][:-1])
    assert text == "<|im_start|>user\nPing?<|im_end|>\n<|im_start|>assistant\n"
    assert (row["input_ids"][-1], row["weights"][-1]) == (0, 0.5)


def test_a_control_token_in_a_plain_text_is_text(t5, make_example):
    result = tokenize_pairs(frame(Example, [make_example(("user", "Is </s> HTML?"), ("assistant", "</s> is"))]), t5)
    (row,) = result.rows.rows(named=True)
    end = t5.eos_token_id
    assert [row["input_ids"].index(end) + 1, row["input_ids"].count(end)] == [row["read_tokens"], 2]


def test_a_reply_that_the_tokenizer_cannot_write_is_a_drop(bert, make_example):
    bert.eos_token = "[SEP]"
    result = tokenize_pairs(frame(Example, [make_example(("user", "Ping?"), ("assistant", "PONG Ω"))]), bert)
    assert result.dropped["rule"].to_list() == ["label.verify"]
    assert result.rows.height == 0


@pytest.mark.parametrize(
    ("turns", "rule"),
    [
        ([("user", "Ping?")], "label.no-reply"),
        ([], "label.no-reply"),
        ([("user", "Ping?"), Message(role="assistant", content="Pong.", weight=0.0)], "label.no-reply"),
        ([("user", "Ping?"), Message(role="assistant", content="Pong.", reasoning="Hm.")], "label.lost"),
    ],
)
def test_what_is_not_a_pair_is_a_drop_with_its_reason(turns, rule, t5, make_example):
    result = tokenize_pairs(frame(Example, [make_example(*turns)]), t5)
    assert (result.rows.height, result.dropped["rule"].to_list()) == (0, [rule])


def test_the_class_is_the_last_reply_stripped(make_example):
    assert class_of(make_example(("user", "a"), ("assistant", " b\n")).messages) == "b"
    assert class_of(make_example(("user", "a")).messages) is None
