import polars as pl
import pytest

from instructkit.errors import StageError
from instructkit.schema import Example, Message, columns
from instructkit.text.conversation import is_plain_text
from instructkit.text.view import plain_texts, shows, view

TURNS = [("system", "s"), ("user", "q"), ("assistant", "a"), ("tool", "t"), ("assistant", "b")]


@pytest.mark.parametrize(
    ("of", "expected"), [("all", "s\n\nq\n\na\n\nt\n\nb"), ("prompt", "s\n\nq\n\nt"), ("response", "a\n\nb")]
)
def test_a_view_joins_the_messages_it_names(of, expected):
    message = columns(Example)["messages"].inner
    rows = [[{"role": role, "content": content} for role, content in TURNS], []]
    shard = pl.DataFrame({"messages": rows}, schema={"messages": pl.List(message)})
    assert shard.select(view(shard, of)).to_series().to_list() == [expected, ""]


@pytest.mark.parametrize("of", ["all", "prompt", "response"])
def test_a_plain_text_is_shown_whole_by_every_view(of):
    message = columns(Example)["messages"].inner
    rows = [[{"role": "text", "content": "The moon."}]]
    shard = pl.DataFrame({"messages": rows}, schema={"messages": pl.List(message)})
    assert shard.select(view(shard, of)).to_series().to_list() == ["The moon."]
    assert shows("text", of)


def test_a_plain_text_is_one_message_of_its_role_and_nothing_else():
    message = columns(Example)["messages"].inner
    conversations = [["text"], ["text", "text"], ["text", "user"], ["assistant"], []]
    rows = [[{"role": role, "content": "x"} for role in roles] for roles in conversations]
    shard = pl.DataFrame({"messages": rows}, schema={"messages": pl.List(message)})
    assert shard.select(plain_texts()).to_series().to_list() == [True, False, False, False, False]
    spoken = [[Message(role=role, content="x") for role in roles] for roles in conversations]
    assert [is_plain_text(each) for each in spoken] == [True, False, False, False, False]


def test_a_document_has_no_response():
    with pytest.raises(StageError, match="a document has no response"):
        view(pl.DataFrame({"text": ["x"]}), "response")
