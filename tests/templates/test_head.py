import jsonschema
import pytest
import yaml

from instructkit.templates.frontmatter import front_matter_schema
from instructkit.templates.head import read_head

BODY = "{% block assistant %}{{ text }}{% endblock %}"


def faults(front):
    return [str(fault) for fault in read_head(f"---\n{front}\n---\n{BODY}", "t.jinja").faults]


def front_of(front):
    head = read_head(f"---\n{front}\n---\n{BODY}", "t.jinja")
    assert not head.faults
    return head.front


def test_every_fault_is_reported_at_its_key_with_what_was_meant():
    assert faults(
        "sumary: x\n"
        "task: t\n"
        "inputs: [text, 2nd, text]\n"
        "tests:\n"
        "  - given: {txt: 1}\n"
        "    expect: [{role: user, contnt: x}]"
    ) == [
        "t.jinja:2:1: unknown key 'sumary'; did you mean 'summary'?",
        "t.jinja:2:1: the key 'summary' is missing",
        "t.jinja:7:27: unknown key 'contnt'; did you mean 'content'?",
    ]
    assert faults(
        "summary: s\ntask: t\ninputs: [text, 2nd, text]\ntests:\n  - given: {txt: 1}\n    expect_drop: missing_input"
    ) == [
        "t.jinja:4:16: input '2nd' is not a variable name: a letter of any script, then letters, digits and "
        "underscores; call it column_2nd, say, and name the column in the render step: "
        "'columns: {column_2nd: \"2nd\"}'",
        "t.jinja:4:21: input 'text' is declared twice",
        "t.jinja:6:13: test gives 'txt', which is not in inputs [2nd, text]; did you mean 'text'?",
    ]


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("summary: [x]\ntask: t\ninputs: [text]", "t.jinja:2:1: summary: expected 'str', got 'array'"),
        ("summary: s\ntask: t\ninputs: [loop]", "t.jinja:4:10: input 'loop' is a word of Jinja's own"),
        (
            "summary: s\ntask: t\ninputs: [text]\nlanguages: [English]",
            "t.jinja:5:13: languages.0: expected 'str' matching",
        ),
        ("summary: s\nsummary: s\ntask: t\ninputs: [text]", "t.jinja:3:1: the key 'summary' is given twice"),
        ("summary: s\ntask: t\ninputs: {text: &x null, b: *x}", "t.jinja:4:16: aliases (*name) are not read here"),
        ("summary: 's\ntask: t", "front matter is not YAML"),
        ("- a", "t.jinja:2:1: front matter must be keys and values"),
        ("summary: s\ntask: t\ninputs: {text: {requird: false}}", "unknown key 'requird'; did you mean 'required'?"),
        ("summary: s\ntask: t\ninputs: {text: {type: integer, default: a}}", "the default is not of type integer"),
        ("summary: s\ntask: t\ninputs: [text]\ntests: [{given: {}}]", "either 'expect' or 'expect_drop'"),
    ],
)
def test_a_fault_says_where_and_what(front, message):
    (fault,) = faults(front)
    assert message in fault


@pytest.mark.parametrize("text", ["", "no front", "---\nsummary: s\n", "text\n---\nsummary: s\n---\n"])
def test_a_file_without_front_matter_says_what_is_missing(text):
    (fault,) = read_head(text, "t.jinja").faults
    assert (fault.line, fault.column) == (1, 1)
    assert "front matter stands between two" in fault.message


def test_texts_stay_text_and_values_keep_their_type():
    front = front_of(
        "summary: no\ntask: 1.10\ninputs: [text]\nlanguages: [no]\nlicense: 2e-5\ntests:\n"
        "  - given: {text: [1, 2e-5, true, no, 12:30, 2020-01-01, null, '1']}\n    expect: [{role: user, content: 42}]"
    )
    assert (front.summary, front.task, front.languages, front.license) == ("no", "1.10", ["no"], "2e-5")
    assert front.tests[0].given == {"text": [1, 2e-5, True, "no", "12:30", "2020-01-01", None, "1"]}
    assert front.tests[0].expect[0].content == "42"


def test_inputs_are_a_list_of_names_or_names_with_conditions():
    plain = front_of("summary: s\ntask: t\ninputs: [text, title]").declared()
    assert list(plain) == ["text", "title"]
    assert not any(given.optional for given in plain.values())
    rich = front_of(
        "summary: s\ntask: t\ninputs:\n  text:\n  title: {required: false}\n  tone: {default: plain, type: string}"
    ).declared()
    assert [given.optional for given in rich.values()] == [False, True, True]


def test_lines_of_the_body_are_those_of_the_file():
    source = f"---\nsummary: s\ntask: t\ninputs: [text]\n---\n\n{BODY}"
    body = read_head(source, "t.jinja").body
    assert body.split("\n").index(BODY) == source.split("\n").index(BODY)


def test_three_dashes_inside_of_the_body_belong_to_it():
    head = read_head(f"---\nsummary: s\ntask: t\ninputs: [text]\n---\n{BODY}\n---\nmore", "t.jinja")
    assert head.body.endswith("---\nmore")
    assert not head.faults


def test_the_json_schema_accepts_what_is_accepted_and_names_every_key():
    schema = front_matter_schema()
    good = yaml.safe_load(
        "{summary: s, task: t, inputs: {text: null, n: {type: integer}}, tests: [{given: {text: a}}]}"
    )
    jsonschema.validate(good, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, "sumary": "s"}, schema)
