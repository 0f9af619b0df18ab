import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.hashing import canonical_json
from instructkit.schema import Document, Origin, frame
from instructkit.stages.render.values import columns_of, rows_of
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import from_sources

NAMES = ["text", "answer", "class", "f0", "language"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
objects = st.lists(st.dictionaries(st.sampled_from([*NAMES, "other"]), json_values), max_size=5)


def template(*names):
    inputs = ", ".join(f"{name}: {{required: false}}" for name in names)
    printed = "".join(f"{{{{ {name} }}}}" for name in names)
    head = f"---\nsummary: s\ntask: t\ninputs: {{{inputs}}}\n---\n"
    return Compiled(from_sources("t", {"t.jinja": head + f"{{% block assistant %}}x{printed}{{% endblock %}}"}))


ALL = template(*NAMES)
NONE = template()


def shard(*fields):
    return frame(
        Document,
        [
            Document(id=f"d{i}", source="s", origin=Origin(file="f"), text=f"t{i}", fields=text, group="g")
            for i, text in enumerate(fields)
        ],
    )


@given(objects)
def test_values_are_those_of_the_json_and_the_documents_own_stand_first(objects):
    rows = list(rows_of(ALL, shard(*map(canonical_json, objects))))
    assert rows == [
        {name: given.get(name) for name in NAMES} | {"text": f"t{i}", "language": None}
        for i, given in enumerate(objects)
    ]


def test_a_template_that_reads_nothing_has_a_row_for_each_document():
    assert list(rows_of(NONE, shard("{}", "{}"))) == [{}, {}]
    assert columns_of(NONE, shard("{}")) == {}


def test_no_fields_at_all_are_an_empty_object():
    nothing = shard("{}").with_columns(fields=pl.lit(None, dtype=pl.String))
    assert next(rows_of(ALL, nothing))["answer"] is None


@pytest.mark.parametrize("broken", ["[1]", "x", "", '{"a": 1', "1", "{} {}"])
def test_fields_that_are_no_object_are_named_with_their_document(broken):
    with pytest.raises(StageError, match="document d1: fields are not a JSON object"):
        columns_of(ALL, shard("{}", broken, "{}"))


AWKWARD = ["Care Notes", 'Size (")', "答案", "Hotel.Name", "id", "meta", "a\\b"]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(AWKWARD), json_values.filter(lambda v: not isinstance(v, dict))), max_size=4
    )
)
def test_any_field_can_be_read_by_an_input_of_another_name(objects):
    read_from = {f"i{number}": f"fields.{name}" for number, name in enumerate(AWKWARD)}
    rows = list(rows_of(template(*read_from), shard(*map(canonical_json, objects)), read_from))
    assert rows == [{f"i{n}": given.get(name) for n, name in enumerate(AWKWARD)} for given in objects]


def test_the_documents_own_columns_and_the_fields_of_their_names_are_told_apart():
    read_from = {"text": "body", "answer": "text", "number": "fields.id", "name": "id", "from": "source"}
    given = shard(canonical_json({"body": "b", "id": 7, "text": "no", "answer": "no", "name": "no"}))
    assert list(rows_of(template(*read_from), given, read_from)) == [
        {"text": "b", "answer": "t0", "number": 7, "name": "d0", "from": "s"}
    ]


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"a": {"b": {"c": 1}}}, 1),
        ({"a.b.c": 2, "a": {"b": {"c": 1}}}, 2),
        ({"a.b.c": None, "a": {"b": {"c": 1}}}, 1),
        ({"a": {"b": 3}}, None),
        ({"a": [1]}, None),
        ({}, None),
    ],
)
def test_a_dotted_path_leads_into_objects_and_a_field_of_that_very_name_stands_first(fields, value):
    read_from = {"one": "a.b.c", "two": "a.b.c", "three": "a"}
    (row,) = rows_of(template(*read_from), shard(canonical_json(fields)), read_from)
    assert row == {"one": value, "two": value, "three": fields.get("a")}


def test_broken_fields_are_named_whatever_is_read():
    with pytest.raises(StageError, match="document d1: fields are not a JSON object"):
        columns_of(ALL, shard("{}", "[1]"), {"answer": 'a"b'})
