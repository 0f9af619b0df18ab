# ruff: noqa: E501 (faults as one line each)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.errors import TemplateFault
from instructkit.templates.cases import run_tests
from instructkit.templates.frontcheck import RESERVED, is_name, likely_name
from instructkit.templates.turns import Turn

BODY = "{% block user %}{{ text }}?{% endblock %}{% block assistant %}{{ answer }}{% endblock %}"
INPUTS = "[text, answer]"


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("targets: [answr]", "t.jinja:5:11: targets: no input is called 'answr'; did you mean 'answer'?"),
        ("targets: [answer, text]", "t.jinja:5:19: targets: no assistant block uses 'text'"),
        ("targets: [answer, answer]", "t.jinja:5:1: targets: 'answer' stands there twice"),
        ("weights: {assistent: 0}", "t.jinja:5:11: weights: no block 'assistent'; there are: user, assistant; did you mean 'assistant'?"),
        ("weights: {assistant: -1}", "t.jinja:5:11: weights.assistant: expected 'float' >= 0.0"),
        ("weights: {assistant: 0}", "t.jinja:5:1: weights: no turn is trained on"),
        ("metrics: [exact]", "rouge1, rouge2, rougeL, token_f1; did you mean 'exact_match'?"),
        ("allow: [answer_in_promt]", "unguarded_input, wrong_language; did you mean 'answer_in_prompt'?"),
        ("allow: [no_rows, no_rows]", "t.jinja:5:1: allow: 'no_rows' stands there twice"),
        ("changes: {a: b}", "t.jinja:5:1: changes: expected 'array', got 'object'"),
        ("answer: human", "t.jinja:5:1: answer: 'human' is none of the known names; there are: data, model"),
        ("allow: [nonsense]", "t.jinja:5:9: allow.0: 'nonsense' is none of the known names; there are: answer_in_prompt, "),
        ("answer: model", "t.jinja:1: with 'answer: model' the last block is the user's"),
        ("answer: model\ntargets: [answer]", "t.jinja:6:1: targets: with 'answer: model' no input holds the answer"),
        ("tests: [{given: {}, expect: [{role: user, weigth: 1}]}]", "unknown key 'weigth'; did you mean 'weight'?"),
        ("tests: [{given: {}, expect: [{role: user, tool_calls: [{nme: f}]}]}]", "unknown key 'nme'; did you mean 'name'?"),
    ],
)  # fmt: skip
def test_a_fault_says_where_and_what(make, more, fault):
    with pytest.raises(TemplateFault) as raised:
        make(BODY, inputs=INPUTS, more=more + "\n")
    assert any(fault in str(f) for f in raised.value.faults), raised.value


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        "{% set said = answer | trim %}" + BODY.replace("{{ answer", "{{ said"),
        "{% macro say() %}{{ answer }}{% endmacro %}" + BODY.replace("{{ answer", "{{ say()"),
        "{% set ns = namespace(s='') %}{% set ns.s = answer %}" + BODY.replace("{{ answer", "{{ ns.s"),
        BODY.replace("{{ answer", "{% set a = answer %}{{ a"),
    ],
)
def test_a_target_may_reach_the_answer_by_way_of_variables_and_macros(make, body):
    assert make(body, inputs=INPUTS, more="targets: [answer]\n").template.front.targets == ["answer"]


def test_a_target_may_reach_the_answer_as_one_of_the_choices(make):
    body = BODY.replace("{{ answer }}", "{{ choices[0] }}")
    assert make(body, inputs="[text, list]", more="targets: [list]\nchoices: list\n")


def test_weights_stand_on_the_turns_of_their_blocks(make):
    body = BODY + "{% block user_2 %}So?{% endblock %}{% block assistant_2 %}{{ answer }}!{% endblock %}"
    for around in ("", "{% set x = text %}"):
        template = make(around + body, inputs=INPUTS, more="weights: {assistant: 0, user_2: 0.5}\n")
        turns = template.render({"text": "a", "answer": "b"}, "id", 0).turns
        assert turns == [
            Turn("user", "a?"),
            Turn("assistant", "b", 0),
            Turn("user", "So?", 0.5),
            Turn("assistant", "b!"),
        ]


def test_a_conversation_for_a_model_ends_with_the_users_turn(make):
    template = make("{% block user %}{{ text }}?{% endblock %}", more="answer: model\n")
    assert template.said({"text": "a"}) == [("user", "a?")]
    assert template.said({"text": ""}).rule == "missing_input"


def test_notes_of_versions_and_names_of_metrics_are_kept_as_written(make):
    more = 'changes: ["2026-11: shorter", 1.10]\nmetrics: [exact_match, rougeL]\nallow: [missing_tests]\n'
    front = make(BODY, inputs=INPUTS, more=more).template.front
    assert (front.changes, front.metrics, front.allow) == (
        ["2026-11: shorter", "1.10"],
        ["exact_match", "rougeL"],
        ["missing_tests"],
    )


def test_names_of_any_script_are_inputs(make):
    body = (
        "{% macro quoted(词) %}「{{ 词 }}」{% endmacro %}{% set 回答 = 答案 | trim %}"
        "{% block user %}{{ phrasing }}{% endblock %}"
        "{% block assistant %}{{ 回答 | option(choices) }}{% endblock %}"
    )
    more = (
        "targets: [答案]\nchoices: 选项\nphrasings: ['{{ quoted(问题) }} {{ naïve }} {{ choices | options }}']\n"
        "tests:\n  - given: {问题: 好吗, 选项: [好, 坏], 答案: 好, naïve: é}\n    options: dashes\n"
        '    expect: [{role: user, content: "「好吗」 é - 好\\n- 坏"}, {role: assistant, content: 好}]\n'
    )
    made = make(body, inputs="{问题: , 答案: {type: string}, 选项: {type: list}, naïve: }", more=more)
    assert [result.difference for result in run_tests(made.template)] == [""]
    assert made.said({"问题": "好吗"}).value == "答案"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("Care Notes", """not a variable name: a letter of any script, then letters, digits and underscores; call it care_notes, say, and name the column in the render step: 'columns: {care_notes: "Care Notes"}'"""),
        ("Hotel.Name", "call it hotel_name, say"),
        ("ａnswer", """not a variable name: it is read as 'answer', its NFKC form; call it answer, say, and name the column in the render step: 'columns: {answer: "ａnswer"}'"""),
        ("_hidden", "call it hidden, say"),
        ("2nd", "call it column_2nd, say"),
        ("?", "call it column, say"),
        ("loop", "is a word of Jinja's own; call it loop_field, say"),
    ],
)  # fmt: skip
def test_a_name_that_no_variable_can_have_is_refused_with_the_way_out(make, name, fault):
    with pytest.raises(TemplateFault) as raised:
        make("{% block assistant %}{{ text }}{% endblock %}", inputs=f"[text, '{name}']")
    assert any(fault in str(f) for f in raised.value.faults), raised.value


@given(st.text(max_size=8) | st.sampled_from(["loop", "İ", "ﬁ x", "µ", "True", "1", "_"]))
def test_the_name_made_for_a_column_can_always_be_an_input(column):
    name = likely_name(column)
    assert is_name(name)
    assert name.lower() not in RESERVED
