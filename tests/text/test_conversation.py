from hypothesis import given
from hypothesis import strategies as st

from instructkit.schema import Message, Span
from instructkit.text.conversation import content_hash, conversation_group, plain_hashes, trained_weight

ASKED = Message(role="user", content="Hi")
ANSWER = Message(role="assistant", content="Hello")


def test_the_hash_changes_with_all_that_is_trained_on():
    variants = [
        content_hash([ASKED, ANSWER], None),
        content_hash([ANSWER, ASKED], None),
        content_hash([ASKED], None),
        content_hash([ASKED, ANSWER], "[]"),
        content_hash([ASKED, Message(role="assistant", content="Hello", weight=0.0)], None),
        content_hash([ASKED, Message(role="assistant", content="Hello", reasoning="r")], None),
        content_hash([ASKED, Message(role="assistant", content="Hello", spans=[Span(start=0, end=1, weight=0)])], None),
    ]
    assert len(set(variants)) == len(variants)


def test_the_hash_is_pinned():
    """A change of it is a change of every example: raise the versions of the stages that yield them."""
    assert content_hash([ASKED, ANSWER], None) == content_hash(iter([ASKED, ANSWER]), "")
    assert content_hash([ASKED, ANSWER], None) == "b4861b8a738892a247b0c9d266b74644"
    assert conversation_group([ASKED, ANSWER]) == "4ef3ffa2b93de3428d6f9b39f357ef49"


def test_the_group_does_not_change_with_weights():
    assert conversation_group([ASKED, ANSWER]) == conversation_group(
        [ASKED, Message(role="assistant", content="Hello", weight=0.5)]
    )
    assert conversation_group([ASKED, ANSWER]) != conversation_group([ANSWER, ASKED])


def test_the_assistant_is_trained_on_unless_a_message_says_otherwise():
    assert [trained_weight(m) for m in (ASKED, ANSWER)] == [0.0, 1.0]
    assert [trained_weight(Message(role=r, content="x", weight=0.5)) for r in ("user", "assistant")] == [0.5, 0.5]
    assert trained_weight(Message(role="assistant", content="x", weight=0.0)) == 0.0
    assert trained_weight(Message(role="text", content="x")) == 1.0


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)), max_size=4))
def test_hashes_of_plain_conversations_are_those_of_their_messages(conversations):
    for roles in (["assistant"], ["user", "assistant"], ["system", "user", "assistant"]):
        cut = [contents[: len(roles)] for contents in conversations]
        expected = [
            content_hash([Message(role=r, content=c) for r, c in zip(roles, contents, strict=True)], None)
            for contents in cut
        ]
        assert plain_hashes(roles, [content for contents in cut for content in contents]) == expected
