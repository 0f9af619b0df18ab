import pytest

from instructkit.chat.format import chat_format
from instructkit.chat.scaffold import Scaffolds

PLAIN = ("user", "assistant")


@pytest.fixture
def scaffold(make_family):
    return lambda family, roles=PLAIN: Scaffolds(chat_format(make_family(family))).of(roles, [None] * len(roles))


def test_a_scaffold_is_the_text_around_the_contents(scaffold):
    found = scaffold("chatml")
    assert found.pieces == (
        "<|im_start|>user\n",
        "<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>\n",
    )
    text = "<|im_start|>user\nPing?<|im_end|>\n<|im_start|>assistant\nPong.<|im_end|>\n"
    assert found.explains(text, ["Ping?", "Pong."])
    (target,) = found.targets(["Ping?", "Pong."], 0.5)
    assert (text[target.start : target.end], target.weight, target.message) == ("Pong.<|im_end|>", 0.5, 1)


def test_what_a_template_trims_it_does_not_explain(scaffold):
    found = scaffold("llama-3")
    text = "".join([found.pieces[0], "Ping?", found.pieces[1], "Pong.", found.pieces[2]])
    assert found.explains(text, ["Ping?", "Pong."])
    assert not found.explains(text, ["Ping?", "Pong.\n"])


def test_a_target_reaches_from_the_prompt_to_the_stop_token(scaffold):
    (place,) = scaffold("qwen-3").places
    assert (place.before, place.behind) == (len("<think>\n\n</think>\n\n"), len("<|im_end|>"))
    (place,) = scaffold("llama-2").places
    assert (place.before, place.behind) == (1, len(" </s>"))


def test_a_conversation_that_a_template_refuses_has_none(scaffold):
    assert scaffold("gemma-2", ("system", *PLAIN)) is None
