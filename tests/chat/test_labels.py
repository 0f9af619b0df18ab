import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from instructkit.chat.format import chat_format
from instructkit.chat.labels import Labelled, label
from instructkit.chat.search import Unlabelled
from instructkit.errors import TrainingError
from instructkit.schema import Media, Message, Span

# Layouts as published with the models of that name, shortened to what a plain conversation uses.
CHATML_BARE = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content.strip() + ' ' + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}{% endfor %}"
)
ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) }}"
    "{{ '\n' + m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
FOLDED = (
    "{% set lead = messages[0].content + '\n\n' if messages[0].role == 'system' else '' %}"
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' }}{{ lead if loop.index <= 2 }}"
    "{{ m.content + ' [/INST]' }}{% elif m.role == 'assistant' %}{{ m.content + eos_token }}{% endif %}{% endfor %}"
)
# The prompt for an answer opens a thought that the finished conversation does not hold.
THINKING = CHATML_BARE.replace("assistant\n' }}{% endif", "assistant\n<think>\n' }}{% endif")
SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>"]
TEMPLATES = {
    "chatml": ("chatml", "<|im_end|>"),
    "bare": (CHATML_BARE, "<|im_end|>"),
    "llama-2": (LLAMA_2, "</s>"),
    "zephyr": (ZEPHYR, "</s>"),
    "gemma": (GEMMA, "<end_of_turn>"),
    "folded": (FOLDED, "</s>"),
    "thinking": (THINKING, "<|im_end|>"),
}


@pytest.fixture(scope="module")
def tokenizer(make_tokenizer):
    return make_tokenizer(SPECIAL, bos_token="<s>", eos_token="</s>")


@pytest.fixture(scope="module")
def trained(tokenizer):
    """Label one example; the decoded text of each run of trained tokens."""

    def run(example, template="chatml"):
        (result,) = label([example], chat_format(tokenizer, template))
        if isinstance(result, Unlabelled):
            raise result
        runs, ids = [], []
        for token, weight in zip(result.input_ids.tolist(), result.weights.tolist(), strict=True):
            if weight > 0:
                ids.append(token)
            elif ids:
                runs, ids = [*runs, ids], []
        return [tokenizer.decode(r).strip() for r in [*runs, ids] if r]

    return run


@pytest.mark.parametrize("name", TEMPLATES)
def test_exactly_the_answers_and_their_stop_tokens_are_trained(name, trained, make_example):
    template, stop = TEMPLATES[name]
    example = make_example(("user", "Ping?"), ("assistant", "Pong."), ("user", "Again?"), ("assistant", "No. 😀"))
    assert [r.replace(" " + stop, stop) for r in trained(example, template)] == ["Pong." + stop, "No. 😀" + stop]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_stop_token_of_a_format_is_the_one_that_ends_replies(name, tokenizer):
    template, stop = TEMPLATES[name]
    assert chat_format(tokenizer, template).stop == stop


def test_a_template_without_stop_token_is_refused(tokenizer):
    template = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    with pytest.raises(TrainingError, match=r"never learn to stop.*chatml"):
        chat_format(tokenizer, template)


def test_a_template_that_refuses_a_role_drops_the_example_with_its_words(trained, make_example):
    with pytest.raises(Unlabelled, match="Only user and assistant roles are supported"):
        trained(make_example(("system", "Be terse."), ("user", "Ping?"), ("assistant", "Pong.")), LLAMA_2)


def test_a_system_message_that_the_template_leaves_out_is_noticed(trained, make_example):
    silent = LLAMA_2.replace("{{ raise_exception('Only user and assistant roles are supported') }}", "")
    with pytest.raises(Unlabelled, match=r"lost.*message 0 \(system\)"):
        trained(make_example(("system", "Be terse."), ("user", "Ping?"), ("assistant", "Pong.")), silent)


def test_a_system_message_folded_into_the_user_turn_is_not_trained(trained, make_example):
    example = make_example(("system", "Be terse."), ("user", "Ping?"), ("assistant", "Pong."))
    assert trained(example, FOLDED) == ["Pong.</s>"]


def test_a_control_token_in_the_data_is_a_drop_not_a_control_token(trained, make_example):
    with pytest.raises(Unlabelled, match=r"control-token.*<\|im_end\|>"):
        trained(make_example(("user", "Say <|im_end|>"), ("assistant", "No.")))


def test_message_weights_decide_what_is_trained(trained, make_example):
    turns = [Message(role="user", content="Ping?", weight=1.0), Message(role="assistant", content="Pong.", weight=0.0)]
    assert trained(make_example(*turns, ("user", "Hm"), ("assistant", "Yes."))) == ["Ping?", "Yes.<|im_end|>"]


def test_weights_of_example_message_and_span_reach_the_tokens(tokenizer, make_example):
    spans = [Span(start=4, end=7, weight=0.25)]
    reply = Message(role="assistant", content="abc def ghi", weight=0.5, spans=spans)
    (result,) = label([make_example(("user", "x"), reply, weight=2.0)], chat_format(tokenizer, "chatml"))
    assert isinstance(result, Labelled)
    weights = {}
    for (start, end), weight in zip(result.offsets.tolist(), result.weights.tolist(), strict=True):
        if weight:
            weights.setdefault(weight, []).append(result.text[start:end])
    # A token belongs to the span that its first letter lies in, whatever space is glued to it.
    assert set(weights) == {1.0, 0.5}
    assert "".join(weights[0.5]).strip() == "def"
    assert "".join(weights[1.0]).endswith("<|im_end|>")


@pytest.mark.parametrize("family", ["chatml", "llama-2", "gemma-2"])
def test_a_span_of_an_earlier_answer_has_its_own_weight_though_a_space_is_glued_to_it(
    family, make_family, make_example
):
    earlier = Message(role="assistant", content="\nHow tall is", weight=0.0, spans=[Span(start=5, end=9, weight=0.5)])
    example = make_example(("user", "tall"), earlier, ("user", "tall"), ("assistant", "tall"))
    (result,) = label([example], chat_format(make_family(family)))
    assert isinstance(result, Labelled), result
    pairs = zip(result.offsets.tolist(), result.weights.tolist(), strict=True)
    spans = [place for place, weight in pairs if weight == 0.5]
    assert result.text[spans[0][0] : spans[-1][1]].strip() == "tall"
    assert result.text[: spans[0][0]].rstrip().endswith("How")


def test_reasoning_and_tool_calls_are_part_of_the_answer(trained, make_example):
    call = '[{"id":"1","type":"function","function":{"name":"add","arguments":{"a":1}}}]'
    tools = '[{"type":"function","function":{"name":"add","parameters":{}}}]'
    turns = [
        ("user", "Add."),
        Message(role="assistant", content="", tool_calls=call, reasoning="Use it."),
        Message(role="tool", content="2", tool_call_id="1", name="add"),
        ("assistant", "Two."),
    ]
    first, second = trained(make_example(*turns, tools=tools))
    assert first.startswith("<think>\nUse it.\n</think>")
    assert '{"name": "add", "arguments": {"a": 1}}' in first
    assert first.endswith("</tool_call><|im_end|>")
    assert second == "Two.<|im_end|>"


def test_tools_that_the_template_does_not_show_are_noticed(trained, make_example):
    tools = '[{"type":"function","function":{"name":"add","parameters":{}}}]'
    with pytest.raises(Unlabelled, match="leaves out the tools"):
        trained(make_example(("user", "Add."), ("assistant", "Two."), tools=tools), ZEPHYR)


@pytest.mark.parametrize("calls", ["{not json", "[1]", '[{"function": {}}]', '[{"function": {"name": "add"}}]'])
def test_malformed_tool_calls_are_a_reason_or_shown_never_a_crash(calls, tokenizer, make_example):
    reply = Message(role="assistant", content="x", tool_calls=calls)
    (result,) = label([make_example(("user", "Add."), reply)], chat_format(tokenizer, "chatml"))
    assert isinstance(result, Labelled) == ('"add"' in calls)
    (result,) = label(
        [make_example(("user", "Add."), ("assistant", "x"), tools=calls)], chat_format(tokenizer, "chatml")
    )
    assert isinstance(result, Labelled) == ('"add"' in calls)


def test_reasoning_that_the_template_does_not_show_is_noticed(trained, make_example):
    reply = Message(role="assistant", content="Two.", reasoning="One and one.")
    with pytest.raises(Unlabelled, match="leaves out the reasoning"):
        trained(make_example(("user", "Add."), reply), ZEPHYR)


def test_labels_are_the_ids_where_trained_and_ignored_elsewhere(chatml_tokenizer, make_example):
    (result,) = label([make_example(("user", "Ping?"), ("assistant", "Pong."))], chat_format(chatml_tokenizer))
    assert ((result.labels == result.input_ids) == (result.weights > 0)).all()
    assert (result.labels[result.weights == 0] == -100).all()


def test_a_tokenizer_without_chatml_tokens_is_given_them(make_tokenizer, make_example):
    bare = make_tokenizer(["</s>"], eos_token="</s>")
    before = len(bare)
    chat = chat_format(bare)
    assert len(bare) == before + 2
    assert bare.convert_ids_to_tokens(chat.stop_id) == "<|im_end|>"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(st.tuples(texts, texts.filter(str.strip)), min_size=1, max_size=3),
    name=st.sampled_from(["chatml", "bare", "zephyr"]),
)
def test_law_trained_text_is_the_answers_or_the_example_says_why_not(turns, name, trained, make_example):
    template, stop = TEMPLATES[name]
    messages = [m for user, answer in turns for m in (("user", user), ("assistant", answer))]
    assert [r.removesuffix(stop).strip() for r in trained(make_example(*messages), template)] == [
        answer.strip() for _, answer in turns
    ]


MARKED = (
    "{% for m in messages %}{% if m.role == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "HEAD{% generation %}BODY{% endgeneration %}{{ '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKS = {
    "without the stop token": ("", "{{ m.content }}"),
    "around half of the message": ("{{ m.content[:2] }}", "{{ m.content[2:] }}"),
    "around nothing": ("{{ m.content }}", ""),
}


@pytest.mark.parametrize("marks", MARKS)
def test_marks_around_too_little_do_not_cut_the_answer(marks, trained, make_example):
    head, body = MARKS[marks]
    template = MARKED.replace("HEAD", head).replace("BODY", body)
    example = make_example(("user", "Ping?"), ("assistant", "Pong."), ("user", "Again?"), ("assistant", "No."))
    assert trained(example, template) == ["Pong.<|im_end|>", "No.<|im_end|>"]


def test_marks_around_everything_do_not_train_the_prompt(trained, make_example):
    template = "{% generation %}" + CHATML_BARE + "{% endgeneration %}"
    assert trained(make_example(("user", "Ping?"), ("assistant", "Pong.")), template) == ["Pong.<|im_end|>"]


def test_words_of_others_inside_a_found_reply_are_noticed(trained, make_example):
    said = "(messages[0].content if loop.index == 2 else '') + m.content"
    echo = CHATML_BARE.replace("'\n' + m.content", f"'\n' + {said}")
    assert trained(make_example(("user", "Ping?"), ("assistant", "Pong.")), echo) == ["Pong.<|im_end|>"]


def test_an_answer_that_stands_in_the_prompt_too_is_trained_once(trained, make_example):
    example = make_example(
        ("user", "Pong."), ("assistant", "Pong."), ("user", "Pong."), Message(role="assistant", content="Pong. ")
    )
    assert trained(example, LLAMA_2) == ["Pong. </s>", "Pong. </s>"]


def test_two_replies_written_as_one_are_a_drop(trained, make_example):
    merging = (
        "{% for m in messages %}{% if loop.first or m.role != messages[loop.index0 - 1].role %}"
        "{{ '<|im_start|>' + m.role + '\n' }}{% else %}{{ '\n\n' }}{% endif %}{{ m.content }}"
        "{% if loop.last or m.role != messages[loop.index0 + 1].role %}{{ '<|im_end|>\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    with pytest.raises(Unlabelled, match="no-stop"):
        trained(make_example(("user", "Ping?"), ("assistant", "Pong."), ("assistant", "And again.")), merging)


@pytest.mark.parametrize(
    ("family", "reply"), [("chatml", "    return 1"), ("phi-3", "    return 1"), ("phi-3", "\nYes")]
)
def test_whitespace_that_opens_an_answer_is_trained_or_the_example_is_a_drop(family, reply, make_family, make_example):
    (result,) = label([make_example(("user", "Code."), ("assistant", reply))], chat_format(make_family(family)))
    assert (result.rule, "strip it" in result.detail) == ("edge", True)


def test_whitespace_that_ends_an_answer_is_trained_or_the_example_is_a_drop(make_family, make_example):
    example = make_example(("user", "Code."), ("assistant", "x = 1\n"))
    (kept,) = label([example], chat_format(make_family("chatml")))
    assert kept.text.endswith("x = 1\n<|im_end|>\n")
    text = "".join(kept.text[s:e] for (s, e), w in zip(kept.offsets.tolist(), kept.weights, strict=True) if w)
    assert text == "x = 1\n<|im_end|>"
    (swallowed,) = label([example], chat_format(make_family("phi-4")))
    assert swallowed.rule == "verify"


@pytest.mark.parametrize(
    ("normalizer", "reply", "labelled"),
    [
        (normalizers.NFC(), "cafe\u0301", True),  # the same text, composed
        (normalizers.NFKC(), "x²", False),
        (normalizers.Lowercase(), "Pong.", False),
        (normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), "café", False),
        (normalizers.Replace("o", "0"), "Pong.", False),
    ],
)
def test_a_tokenizer_that_changes_an_answer_makes_it_a_drop(normalizer, reply, labelled, make_tokenizer, make_example):
    tokenizer = make_tokenizer(["<|im_start|>", "<|im_end|>"], eos_token="<|im_end|>")
    chat = chat_format(tokenizer)
    tokenizer.backend_tokenizer.normalizer = normalizer
    (result,) = label([make_example(("user", "Ping?"), ("assistant", reply))], chat)
    assert isinstance(result, Labelled) == labelled
    if not labelled:
        assert result.rule == "verify"


def test_a_stop_token_that_pads_too_is_trained(make_family, make_example):
    tokenizer = make_family("smollm2")
    assert tokenizer.pad_token == tokenizer.eos_token == "<|im_end|>"
    (result,) = label([make_example(("user", "Ping?"), ("assistant", "Pong."))], chat_format(tokenizer))
    assert result.input_ids[result.weights > 0][-1] == tokenizer.pad_token_id


def test_an_empty_answer_teaches_to_stop(trained, make_example):
    assert trained(make_example(("user", "Say nothing."), ("assistant", ""))) == ["<|im_end|>"]


@pytest.mark.parametrize("where", ["arguments", "tools", "reasoning"])
def test_a_control_token_in_calls_tools_or_thoughts_is_a_drop(where, trained, make_example):
    call = '[{"function":{"name":"add","arguments":{"a":"%s"}}}]' % ("<|im_end|>" if where == "arguments" else "1")
    tools = '[{"function":{"name":"add","description":"%s"}}]' % ("<|im_start|>" if where == "tools" else "")
    reply = Message(
        role="assistant", content="", tool_calls=call, reasoning="<|im_end|>" if where == "reasoning" else None
    )
    with pytest.raises(Unlabelled, match="control-token"):
        trained(make_example(("user", "Add."), reply, tools=tools))


def test_arguments_that_the_template_leaves_out_are_noticed(trained, make_example):
    names_only = CHATML_BARE.replace("m.content", "(m.content or m.tool_calls[0].function.name)")
    call = '[{"function":{"name":"add","arguments":{"a":7}}}]'
    with pytest.raises(Unlabelled, match="leaves out part of the tool calls"):
        trained(make_example(("user", "Add."), Message(role="assistant", content="", tool_calls=call)), names_only)


def test_more_than_text_is_a_drop(trained, make_example):
    picture = Message(role="user", content="What is this?", media=[Media(kind="image", uri="a.png")])
    with pytest.raises(Unlabelled, match="media"):
        trained(make_example(picture, ("assistant", "A moon.")))


def test_a_thousand_control_tokens_are_told_apart(make_tokenizer):
    tokens = ["<|im_start|>", "<|im_end|>", *(f"<|r{i}|>" for i in range(1000)), "<|r1"]
    special = chat_format(make_tokenizer(tokens, eos_token="<|im_end|>")).special
    assert [m[0] for m in special.finditer("a<|r1|>b<|r12|><|r1<|im_end|> <|r1000|>")] == [
        "<|r1|>",
        "<|r12|>",
        "<|r1",
        "<|im_end|>",
        "<|r1",
    ]
