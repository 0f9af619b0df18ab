import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.chat.cut import cut_to
from instructkit.chat.format import chat_format
from instructkit.chat.labels import label
from instructkit.schema import Message, Span

LONG = " ".join(f"line {i} of a long report." for i in range(80))


@pytest.fixture(scope="module")
def chat(make_tokenizer):
    return chat_format(make_tokenizer(["<|im_start|>", "<|im_end|>"], eos_token="<|im_end|>"))


def length(example, chat):
    (result,) = label([example], chat)
    return len(result.input_ids)


def test_the_middle_of_the_longest_prompt_goes_and_the_answer_stays(chat, make_example):
    example = make_example(("system", "Be terse."), ("user", f"Summarise: {LONG} Now!"), ("assistant", "A report."))
    before = length(example, chat)
    cut, taken = cut_to(example, 100, chat)
    assert 98 <= length(cut, chat) == before - taken <= 100
    system, user, answer = cut.messages
    assert (system.content, answer) == ("Be terse.", example.messages[2])
    assert user.content.startswith("Summarise: line 0")
    assert user.content.endswith("long report. Now!")
    head = next(i for i, (a, b) in enumerate(zip(user.content, example.messages[1].content, strict=False)) if a != b)
    assert example.messages[1].content.endswith(user.content[head:])
    assert cut.id == example.id
    assert cut.content_hash != example.content_hash


def test_an_example_that_fits_is_the_same_example(chat, make_example):
    example = make_example(("user", "Ping?"), ("assistant", "Pong."))
    assert cut_to(example, length(example, chat), chat) == (example, 0)


def test_an_answer_is_never_cut(chat, make_example):
    assert cut_to(make_example(("user", "Write."), ("assistant", LONG)), 100, chat) is None


def test_trained_prompts_and_trained_spans_are_not_cut(chat, make_example):
    trained = Message(role="user", content=LONG, weight=1.0)
    spanned = Message(role="user", content=LONG, spans=[Span(start=0, end=4, weight=1.0)])
    for message in (trained, spanned):
        assert cut_to(make_example(message, ("assistant", "Yes.")), 100, chat) is None
        longer = make_example(message, ("user", LONG), ("assistant", "Yes."))
        (cut, taken) = cut_to(longer, length(longer, chat) - 100, chat)
        assert cut.messages[0] == message
        assert taken >= 100


def test_a_second_prompt_is_cut_only_when_the_longest_has_its_length(chat, make_example):
    example = make_example(("user", LONG), ("assistant", "Yes."), ("user", LONG[:120]), ("assistant", "No."))
    (slightly, _) = cut_to(example, 300, chat)
    assert slightly.messages[2] == example.messages[2]
    (hard, _) = cut_to(example, 80, chat)
    first, second = (len(hard.messages[i].content) for i in (0, 2))
    assert abs(first - second) < 20 < second < 60


@settings(max_examples=40, deadline=None)
@given(
    turns=st.lists(st.tuples(st.text(max_size=80), st.text(min_size=1, max_size=20)), min_size=1, max_size=3),
    room=st.integers(10, 200),
)
def test_law_a_cut_example_fits_and_its_answers_are_whole(turns, room, chat, make_example):
    example = make_example(*(m for user, answer in turns for m in (("user", user), ("assistant", answer))))
    found = cut_to(example, room, chat)
    if found is not None:
        cut, taken = found
        assert length(cut, chat) == length(example, chat) - taken <= room
        assert [m for m in cut.messages if m.role == "assistant"] == [
            m for m in example.messages if m.role == "assistant"
        ]
        assert cut_to(example, room, chat) == found
