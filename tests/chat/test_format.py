import copy

import pytest

from instructkit.chat.chatml import CHATML
from instructkit.chat.format import chat_format, format_for, template_text
from instructkit.chat.labels import label
from instructkit.chat.rendering import turn
from instructkit.errors import TrainingError
from instructkit.models.load import load_tokenizer
from instructkit.schema import Message

TURNS = [{"role": "user", "content": "Ping?"}]


@pytest.mark.parametrize("family", ["llama-3.1", "mistral-v3", "phi-3"])
def test_a_saved_format_is_known_again(family, make_family, tmp_path):
    chat = chat_format(make_family(family))
    chat.tokenizer.save_pretrained(tmp_path)
    again = chat_format(load_tokenizer(str(tmp_path)))
    assert again.render(TURNS, prompt=True) == chat.render(TURNS, prompt=True)
    assert again.identity == chat.identity


@pytest.mark.parametrize("reads", ["document", "pair"])
def test_a_format_that_ends_texts_by_another_token_is_another(reads, make_tokenizer):
    """Not by the vocabulary: which of its tokens ends a text stands beside it."""
    one, other = (
        format_for(make_tokenizer(["</s>", "<end>"], eos_token=end), None, reads) for end in ("</s>", "<end>")
    )
    assert one.identity[0] == other.identity[0]
    assert one.identity != other.identity


def test_a_token_that_templates_name_is_a_part_of_the_format(make_family):
    one, other = (copy.deepcopy(make_family("llama-3.1")) for _ in range(2))
    other.bos_token = "<|end_of_text|>"
    assert chat_format(one).identity != chat_format(other).identity


def test_the_template_is_the_one_asked_for_the_tokenizers_own_or_chatml(make_family, tmp_path):
    tokenizer = make_family("zephyr")
    assert template_text(None, tokenizer) == tokenizer.chat_template
    assert template_text("chatml", tokenizer) == CHATML
    path = tmp_path / "own.jinja"
    path.write_text("{{ 'hé' }}", encoding="utf-8")
    assert template_text(str(path), tokenizer) == "{{ 'hé' }}"
    with pytest.raises(TrainingError, match=r"none\.jinja.*cannot be read"):
        template_text(str(tmp_path / "none.jinja"), tokenizer)


def test_of_several_templates_the_default_is_taken(make_tokenizer):
    tokenizer = make_tokenizer(["</s>"], eos_token="</s>")
    tokenizer.chat_template = {"tool_use": "x", "default": "y"}
    assert template_text(None, tokenizer) == "y"


def test_thoughts_have_both_names_that_templates_know(make_example):
    given = turn(Message(role="assistant", content="a", reasoning="b"))
    assert given["reasoning_content"] == given["thinking"] == "b"


def test_a_tokenizer_that_splits_at_random_no_longer_does(make_family, make_example):
    steady, random = make_family("chatml"), copy.deepcopy(make_family("chatml"))
    random.backend_tokenizer.model.dropout = 0.9
    example = make_example(("user", "How tall is a giraffe?"), ("assistant", "About five metres."))
    ids = [label([example], chat_format(t))[0].input_ids.tolist() for t in (steady, random, random)]
    assert ids[0] == ids[1] == ids[2]
