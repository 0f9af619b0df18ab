import math
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import polars as pl
import pytest
from hypothesis import given, settings

from instructkit.errors import StageError
from instructkit.schema import NOUNS, Document, Example, Message, Origin, Span, check, columns, frame, records

text = st.text(max_size=30)
int32 = st.integers(-(2**31), 2**31 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)


def of(hint):
    """A strategy for a field's type, by the declared types themselves: a new field is tested without being named."""
    kind = msgspec.inspect.type_info(hint)
    return _strategy(kind)


def _strategy(kind):
    match kind:
        case msgspec.inspect.StrType():
            return text
        case msgspec.inspect.IntType():
            return int32
        case msgspec.inspect.FloatType():
            return floats.map(lambda x: 0.0 if math.isclose(x, 0, abs_tol=1e-30) else x)
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType():
            return st.sampled_from(kind.values)
        case msgspec.inspect.ListType():
            return st.lists(_strategy(kind.item_type), max_size=3)
        case msgspec.inspect.UnionType():
            return st.one_of(*map(_strategy, kind.types))
        case msgspec.inspect.StructType():
            return st.builds(kind.cls, **{f.name: _strategy(f.type) for f in kind.fields})
    raise TypeError(kind)


@pytest.mark.parametrize("noun", NOUNS, ids=lambda n: n.__name__)
def test_every_noun_survives_parquet(noun, tmp_path_factory):
    path: Path = tmp_path_factory.mktemp("nouns") / "shard.parquet"

    @settings(max_examples=40, deadline=None)
    @given(st.lists(of(noun), max_size=4))
    def round_trip(rows):
        if noun.__name__ in ("TokenizedExample", "PackedSequence"):  # Float32 columns hold what fits them
            rows = [msgspec.structs.replace(row, weights=[0.5] * len(row.weights)) for row in rows]
        frame(noun, rows).write_parquet(path)
        back = pl.read_parquet(path)
        assert back.schema == columns(noun)
        assert list(records(noun, back)) == rows

    round_trip()


def test_fields_of_unequal_rows_stay_apart_when_two_files_are_scanned_together(tmp_path):
    def document(name, fields):
        return Document(id=name, source="s", origin=Origin(file="f", line=1), text="t", group="g", fields=fields)

    frame(Document, [document("a", '{"city":"Rome"}')]).write_parquet(tmp_path / "a.parquet")
    frame(Document, [document("b", '{"x":{"y":[1]}}')]).write_parquet(tmp_path / "b.parquet")
    both = pl.scan_parquet([tmp_path / "a.parquet", tmp_path / "b.parquet"]).collect()
    assert both["fields"].to_list() == ['{"city":"Rome"}', '{"x":{"y":[1]}}']


def test_check_names_every_wrong_column():
    shard = pl.DataFrame({"id": ["a", None], "extra": [1, 2]})
    with pytest.raises(StageError, match=r"text: missing.*extra: not a column.*id: 1 nulls"):
        check(Document, shard, "step 'raw'")


def test_nested_records_keep_their_types():
    message = Message(role="user", content="hi", spans=[Span(start=0, end=2, weight=0.5)])
    example = Example(
        id="e", content_hash="h", messages=[message], source="s", origin=Origin(file="f"), group="g", document_ids=["d"]
    )
    (back,) = records(Example, frame(Example, [example]))
    assert back == example
    assert back.messages[0].spans[0].end == 2
