import polars as pl
import pytest

from instructkit.errors import StageError
from instructkit.schema import Example, columns
from instructkit.text.view import view

TURNS = [("system", "s"), ("user", "q"), ("assistant", "a"), ("tool", "t"), ("assistant", "b")]


@pytest.mark.parametrize(
    ("of", "expected"), [("all", "s\n\nq\n\na\n\nt\n\nb"), ("prompt", "s\n\nq\n\nt"), ("response", "a\n\nb")]
)
def test_a_view_joins_the_messages_it_names(of, expected):
    message = columns(Example)["messages"].inner
    rows = [[{"role": role, "content": content} for role, content in TURNS], []]
    shard = pl.DataFrame({"messages": rows}, schema={"messages": pl.List(message)})
    assert shard.select(view(shard, of)).to_series().to_list() == [expected, ""]


def test_a_document_has_no_response():
    with pytest.raises(StageError, match="a document has no response"):
        view(pl.DataFrame({"text": ["x"]}), "response")
