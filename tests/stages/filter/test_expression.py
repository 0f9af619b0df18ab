import pytest

from instructkit.errors import StageError
from instructkit.schema import Document
from instructkit.stages.filter.expression import FilterExpression
from instructkit.stages.filter.sql import read_condition


@pytest.fixture
def rows(documents):
    return documents(
        {"text": "ten", "language": "en", "fields": {"stars": 10, "tag": "a", "good": True, "my key": "x", "low": 9}},
        {
            "text": "nine",
            "language": "de",
            "fields": {"stars": "9", "tag": "b", "good": False, "o": {"p": 1}, "low": 10},
        },
        {"text": "none", "language": None, "fields": {"stars": "many"}},
    )


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("fields.stars > 9", ["ten"]),
        ("fields.stars >= 9 AND language = 'en'", ["ten"]),
        ("fields.stars BETWEEN 1 AND 9.5", ["nine"]),
        ("fields.stars IN (9, 11)", ["nine"]),
        ("fields.stars = 'many'", ["none"]),
        ("fields.stars > fields.low", ["ten"]),
        ("fields.tag = 'b' OR fields.stars > 9", ["ten", "nine"]),
        ("fields.tag IS NULL", ["none"]),
        ("fields.good", ["ten"]),
        ("fields.good = false", ["nine"]),
        ("NOT fields.good", ["nine"]),
        ("fields.good AND fields.stars > 3", ["ten"]),
        ("fields.\"my key\" = 'x'", ["ten"]),
        ("fields.o.p = 1", ["nine"]),
        ("fields.tag LIKE 'a%'", ["ten"]),
        ("text <> 'fields.stars'", ["ten", "nine", "none"]),
        ("LENGTH(text) = 3", ["ten"]),
        ("TRY_CAST(fields.stars AS DOUBLE) + 1 > 10.5", ["ten"]),
        ("COALESCE(language, 'en') = 'en'", ["ten", "none"]),
        ("origin.line <= 2", ["ten", "nine"]),
        ("REGEXP_LIKE(text, '^n')", ["nine", "none"]),
    ],
)
def test_an_expression_keeps_the_rows_it_is_true_for(rows, where, kept):
    stage = FilterExpression(where=where)
    assert stage.faults() == []
    outcome = stage.apply(rows)
    assert outcome.kept["text"].to_list() == kept
    assert outcome.kept.height + outcome.dropped.height == rows.height
    for n in range(rows.height):  # types come from the expression, never from the rows at hand
        assert stage.apply(rows[n : n + 1]).kept["text"].to_list() == [t for t in kept if t == rows["text"][n]]


def test_a_missing_value_is_a_drop_with_its_own_rule(rows):
    _, dropped = FilterExpression(where="fields.stars >= 10 AND language = 'en'").apply(rows)
    assert dropped.select("rule", "value", "threshold").rows() == [
        ("expression", "fields.stars=9.0, language=de", "fields.stars >= 10 AND language = 'en'"),
        ("expression_null", "fields.stars=null, language=null", "fields.stars >= 10 AND language = 'en'"),
    ]


def test_examples_have_prompt_response_and_meta(examples):
    shard = examples(
        {"messages": [("user", "q"), ("assistant", "long answer")], "meta": '{"score":0.9}'},
        {"messages": [("user", "q"), ("assistant", "a")], "meta": '{"score":0.9}'},
    )
    stage = FilterExpression(where="LENGTH(response) > 5 AND LENGTH(prompt) < 5 AND meta.score > 0.5")
    assert stage.faults() == []
    assert stage.apply(shard).kept["id"].to_list() == ["e0"]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("txt = 'a'", "no column 'txt'; did you mean 'text'?"),
        ("LENGTH(text) >", "not a SQL expression"),
        ("text", "not true or false"),
        ("text > 3", "cannot compare string with numeric type"),
        ("LENGTH(text) > AVG(LENGTH(text))", "looks at many rows"),
        ("ROW_NUMBER() OVER (ORDER BY text) > 1", "looks at many rows"),
        ("text IN (SELECT 1)", "looks at many rows"),
        ("text = 'sum(' AND COUNT (*) > 1", "COUNT looks at many rows"),
        ("1 = 1", "no column"),
        ("text > CURRENT_DATE", "another day"),
        ("fields.a = fields.b AND fields.c = fields.d AND fields.e = fields.f", "at most 5"),
        ("text = 'a' AND meta.x = 1", "have no column"),
    ],
)
def test_what_is_wrong_is_a_fault_before_any_work(where, said):
    faults = FilterExpression(where=where).faults()
    assert faults
    assert any(said in fault for fault in faults)


def test_an_expression_for_examples_fails_on_documents_with_the_way_out(documents):
    stage = FilterExpression(where="meta.score > 0.5")
    assert stage.faults() == []
    with pytest.raises(StageError, match="documents have no column 'meta'; documents have `fields`"):
        stage.apply(documents("x"))


def test_a_failing_cast_is_told_with_the_way_out(rows):
    stage = FilterExpression(where="CAST(text AS INT) > 3")
    with pytest.raises(StageError, match="TRY_CAST"):
        stage.apply(rows)


def test_words_in_a_string_are_no_fields():
    condition = read_condition("text = 'fields.x > now()'", Document)
    assert list(condition.inputs) == ["text"]


@pytest.mark.parametrize("where", ["LENGTH(text) < 300 oops", "fields.a = 'x' AND LENGTH(text) > 2 AS y"])
def test_a_word_too_many_is_a_fault_and_not_a_new_name(where):
    (fault,) = FilterExpression(where=where).faults()
    assert "a word too many" in fault
