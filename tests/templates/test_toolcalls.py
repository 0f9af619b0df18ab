# ruff: noqa: E501 (templates as one line each)
import json

import pytest

from instructkit.errors import TemplateFault
from instructkit.templates.cases import run_tests
from instructkit.templates.turns import Turn

TOOLS = """tools:
  - name: get_weather
    description: Weather of a city.
    parameters:
      type: object
      properties: {city: {type: string, minLength: 2}, days: {type: integer}}
      required: [city]
      additionalProperties: false
  - {type: function, function: {name: now}}
"""
ASK = "{% block user %}Weather in {{ text }}?{% endblock %}"
CALL = '{% block assistant %}{{ tool_call("get_weather", {"city": text}) }}{% endblock %}'
ANSWER = "{% block tool %}Rain.{% endblock %}{% block assistant_2 %}It rains.{% endblock %}"


def arguments_of(turn):
    return [call["function"]["arguments"] for call in json.loads(turn.tool_calls)]


@pytest.mark.parametrize("above", ["", "{% set x = text %}"])
def test_a_call_is_recorded_on_its_turn_and_answered_by_the_tool(make, above):
    result = make(above + ASK + CALL + ANSWER, more=TOOLS).render({"text": "Rome"}, "id", 0)
    call = '[{"function":{"arguments":{"city":"Rome"},"name":"get_weather"},"id":"call_1","type":"function"}]'
    assert result.turns == [
        Turn("user", "Weather in Rome?"),
        Turn("assistant", "", tool_calls=call),
        Turn("tool", "Rain.", name="get_weather", tool_call_id="call_1"),
        Turn("assistant", "It rains."),
    ]


def test_definitions_stand_on_the_example_in_full_form(make):
    tools = json.loads(make(ASK + CALL, more=TOOLS).render({"text": "Rome"}, "id", 0).tools)
    assert [(tool["type"], tool["function"]["name"]) for tool in tools] == [
        ("function", "get_weather"),
        ("function", "now"),
    ]
    assert tools[0]["function"]["parameters"]["required"] == ["city"]


def test_several_calls_are_answered_in_order_over_several_turns(make):
    both = CALL.replace("{% endblock %}", 'and {{ tool_call("now") }}{% endblock %}')
    tools = "{% block tool %}Rain.{% endblock %}{% block tool_2 %}Noon.{% endblock %}"
    again = "{% block assistant_2 %}{{ tool_call('now', {}) }}{% endblock %}{% block tool_3 %}Night.{% endblock %}"
    result = make(ASK + both + tools + again + "{% block assistant_3 %}.{% endblock %}", more=TOOLS).render(
        {"text": "Rome"}, "id", 0
    )
    assert result.turns[1].content == "and"
    assert arguments_of(result.turns[1]) == [{"city": "Rome"}, {}]
    answers = [(t.name, t.tool_call_id) for t in result.turns if t.role == "tool"]
    assert answers == [("get_weather", "call_1"), ("now", "call_2"), ("now", "call_3")]


def test_a_conversation_may_end_with_a_call_and_each_row_counts_anew(make):
    template = make(ASK + CALL, more=TOOLS)
    for city in ("Rome", "Oslo"):
        (_, turn) = template.render({"text": city}, "id", 0).turns
        assert json.loads(turn.tool_calls)[0]["id"] == "call_1"
        assert arguments_of(turn) == [{"city": city}]


def test_macros_may_call(make):
    body = '{% from "m.jinja" import ask %}' + ASK + "{% block assistant %}Let me see.{{ ask(text) }}{% endblock %}"
    macro = '{% macro ask(city) %}{{ tool_call("get_weather", {"city": city}) }}{% endmacro %}'
    turn = make(body, more=TOOLS, m=macro).render({"text": "Rome"}, "id", 0).turns[1]
    assert (turn.content, arguments_of(turn)) == ("Let me see.", [{"city": "Rome"}])


@pytest.mark.parametrize(
    ("call", "detail"),
    [
        ('"get_wether", {}', "t.jinja:15: no tool is called 'get_wether'; there are: get_weather, now; did you mean 'get_weather'?"),
        ('"get_weather", {}', "get_weather: arguments: 'city' is a required property"),
        ('"get_weather"', "get_weather: arguments: 'city' is a required property"),
        ('"get_weather", {"city": 1}', "get_weather: arguments.city: 1 is not of type 'string'"),
        ('"get_weather", {"city": "R"}', "arguments.city: 'R' is too short"),
        ('"get_weather", {"city": text, "town": text}', "Additional properties are not allowed ('town' was unexpected)"),
        ('"get_weather", [text]', "get_weather: arguments are an object of names and values, not ['Rome']"),
        ('"get_weather", {"city": text, "days": 2 ** 70}', "get_weather: the arguments are no JSON"),
        ('"get_weather", {"city": text.nothing}', "nothing"),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit_is_a_drop_with_the_reason(make, call, detail):
    body = ASK + "{% block assistant %}{{ tool_call(" + call + ") }}{% endblock %}"
    refusal = make(body, more=TOOLS).render({"text": "Rome"}, "id", 0)
    assert refusal.rule == ("bad_tool_call" if "nothing" not in call else "template_error")
    assert detail in refusal.detail


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (ASK + CALL + ANSWER.replace("tool %}", "tool %}{% endblock %}{% block tool_2 %}", 1), "a tool turn without a call before it"),
        (ASK + CALL + "{% block user_2 %}Well?{% endblock %}{% block assistant_2 %}x{% endblock %}", "no tool turn answers call_1, of get_weather"),
        ("{% macro m(x) %}{{ tool_call('now') }}{% endmacro %}{% set x = m(1) %}" + ASK + CALL, "outside of an assistant block"),
        ("{% macro m(x) %}{{ tool_call('now') }}{% endmacro %}" + ASK.replace("?", "{{ m(1) }}") + CALL, "tool_call in a user block"),
        (ASK + "{% if text == 'Oslo' %}" + CALL + "{% endif %}" + ANSWER, "a tool turn without a call before it"),
    ],
)  # fmt: skip
def test_calls_and_answers_that_do_not_meet_are_a_drop(make, body, detail):
    refusal = make(body, more=TOOLS).render({"text": "Rome"}, "id", 0)
    assert refusal.rule == "bad_tool_call"
    assert detail in refusal.detail


OF_ROW = "tools: functions\n"
DEFINITION = {"name": "get_weather", "parameters": {"type": "object", "required": ["city"]}}


def test_tools_may_be_the_list_of_an_input(make):
    template = make(ASK + CALL, inputs="[text, functions]", more=OF_ROW)
    wrapped = {"type": "function", "function": DEFINITION}
    for given in (DEFINITION, wrapped):
        assert json.loads(template.render({"text": "Rome", "functions": [given]}, "id", 0).tools) == [wrapped]
    refusal = template.render({"text": "Rome", "functions": [{"name": "now"}]}, "id", 0)
    assert (refusal.rule, refusal.value) == ("bad_tool_call", "get_weather")
    assert template.render({"text": "Rome"}, "id", 0).rule == "missing_input"
    optional = make(ASK + CALL, inputs="{text: , functions: {required: false}}", more=OF_ROW)
    assert "the example has no tools" in optional.render({"text": "Rome"}, "id", 0).detail


@pytest.mark.parametrize(
    "bad", ["x", [1], [{"nme": "f"}], [{"name": "f", "parameters": {"type": 7}}], [{"name": "a b"}]]
)
def test_faulty_definitions_of_a_row_are_a_drop(make, bad):
    template = make(ASK + CALL, inputs="[text, functions]", more=OF_ROW)
    assert template.render({"text": "Rome", "functions": bad}, "id", 0)[:2] == ("bad_tools", "functions")


@pytest.mark.parametrize(
    ("tools", "body", "fault"),
    [
        ("tools: []\n", ASK + CALL, "t.jinja:5:1: tools: must be a list of function definitions"),
        ("tools: functions\n", ASK + CALL, "t.jinja:5:1: tools: no input is called 'functions'"),
        ("tools: [{nme: f}]\n", ASK + CALL, "t.jinja:5:9: tools: a tool is {name, description, parameters}"),
        ("tools: [{name: f}, {name: f}]\n", ASK + CALL, "t.jinja:5:21: tools: two tools are called 'f'"),
        ("tools: [{name: f, parameters: {type: array}}]\n", ASK + CALL, "t.jinja:5:32: tools: f: parameters are of type 'object'"),
        ("tools: [{name: f, parameters: {properties: {a: {type: text}}}}]\n", ASK + CALL, "t.jinja:5:49: tools: f: not a JSON Schema: 'text' is not valid"),
        ("", ASK + CALL, "tool_call: define what can be called under the front matter's key 'tools'"),
        ("", ASK + "{% block tool %}x{% endblock %}{% block assistant %}x{% endblock %}", "block 'tool' answers a call"),
        (TOOLS, ASK.replace("?", "{{ tool_call('now') }}") + CALL, "tool_call stands outside of all assistant blocks"),
    ],
)  # fmt: skip
def test_a_fault_says_where_and_what(make, tools, body, fault):
    with pytest.raises(TemplateFault) as raised:
        make(body, more=tools)
    assert any(fault in str(f) for f in raised.value.faults), raised.value


def test_a_templates_tests_compare_calls_and_the_weights_they_name(make):
    good = "{role: assistant, weight: 0, tool_calls: [{name: get_weather, arguments: {city: Rome}}]}"
    lines = {
        good: None,
        good.replace("weight: 0, ", ""): None,
        good.replace("weight: 0", "weight: 1"): "-[assistant, weight 1]",
        good.replace("Rome", "Oslo"): '-[call] get_weather {"city":"Oslo"}',
        "{role: assistant}": '+[call] get_weather {"city":"Rome"}',
    }
    for expected, line in lines.items():
        tests = (
            f"tests: [{{given: {{text: Rome}}, expect: [{{role: user, content: 'Weather in Rome?'}}, {expected}]}}]\n"
        )
        (result,) = run_tests(make(ASK + CALL, more=TOOLS + "weights: {assistant: 0, user: 1}\n" + tests).template)
        assert result.passed == (line is None), result.difference
        assert line is None or line in result.difference
