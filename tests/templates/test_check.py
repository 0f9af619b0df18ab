# ruff: noqa: E501 (templates as one line each)
import pytest

from instructkit.errors import TemplateFault
from instructkit.templates.template import from_sources

HEAD = "---\nsummary: s\ntask: t\ninputs: [answer, question]\n---\n"
GOOD = "{% block user %}{{ question }}{% endblock %}\n{% block assistant %}{{ answer }}{% endblock %}\n"


def faults(body, **imported):
    sources = {"t.jinja": HEAD + body, **{f"{name}.jinja": text for name, text in imported.items()}}
    try:
        from_sources("t", sources)
    except TemplateFault as fault:
        return [str(f) for f in fault.faults]
    return []


def test_a_good_template_has_no_fault():
    assert faults(GOOD) == []
    assert faults("{# a comment #}\n{% set x = 1 %}{% macro m(a) %}{{ a }}{% endmacro %}\n" + GOOD) == []


def test_a_text_block_is_a_whole_template():
    assert faults("{% block text %}{{ question }}\n{{ answer }}{% endblock %}") == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            GOOD.replace("{{ answer }}", "{{ answr }}{{ answer }}"),
            "t.jinja:7:25: block 'assistant' uses 'answr', which is not in inputs [answer, question]; did you mean 'answer'?",
        ),
        (GOOD.replace("{{ question }}", "?"), "t.jinja:4:18: input 'question' is never used; use it or remove it"),
        ("\n\nSay:\n" + GOOD, "t.jinja:8:1: 'Say:' stands outside of all blocks; put it into a block, or into {# #}"),
        (GOOD + "{{ answer }}", "t.jinja:8: an expression stands outside of all blocks"),
        (GOOD + "{% block asistant_2 %}x{% endblock %}", "t.jinja:8:10: block 'asistant_2' is not a role"),
        (
            GOOD + "{% block user_3 %}x{% endblock %}",
            "t.jinja:8:10: block 'user_3' is turn 2 of its role; name it 'user_2'",
        ),
        (GOOD + "{% block system %}x{% endblock %}", "t.jinja:8:10: block 'system' must be the first turn"),
        (GOOD.replace("assistant", "user_2"), "t.jinja:1: there is no assistant block"),
        (
            GOOD.replace("assistant", "text"),
            "t.jinja:7:10: block 'text' is a plain text, a whole example; take the other blocks away (user)",
        ),
        (
            "{% block text_2 %}{{ question }}{{ answer }}{% endblock %}",
            "t.jinja:6:10: block 'text_2' is turn 1 of its role; name it 'text'",
        ),
        (GOOD.replace("{{ question }}", "{% block tool %}{{ question }}{% endblock %}"), "block 'tool' stands inside"),
        ("{% for x in answer %}{% endfor %}" + GOOD, "t.jinja:6: 'for' stands outside of all blocks"),
        (
            GOOD.replace("answer }}", "answer | random }}"),
            "no filter named 'random'; use `choice`, which draws by seed",
        ),
        (GOOD.replace("answer }}", "answer | uper }}"), "t.jinja:7:34: no filter named 'uper'; did you mean 'upper'?"),
        (GOOD.replace("answer }}", "answer is nummber }}"), "no test named 'nummber'; did you mean 'number'?"),
        (
            GOOD.replace("answer }}", "answer ~ self.user() }}"),
            "t.jinja:7:34: 'self' is not there: a turn cannot be read",
        ),
        (GOOD.replace("answer }}", "answer }"), "t.jinja:7: not a Jinja template"),
        (GOOD.replace("answer }}", "answer | _steps }}"), "no filter named '_steps'"),
    ],
)
def test_a_fault_says_where_and_what(body, fault):
    (found,) = faults(body)
    assert fault in found


def test_all_faults_of_a_template_and_its_imports_come_at_once():
    body = '{% from "m.jinja" import f %}x\n' + GOOD.replace("{{ answer }}", "{{ answr | f2 }}")
    found = faults(body, m="{% macro f(x) %}{{ y }}{% endmacro %}\ntext")
    assert [f.split(": ")[0] for f in found] == [
        "m.jinja:1:20", "m.jinja:2:1", "t.jinja:4:10", "t.jinja:6:30", "t.jinja:8:25", "t.jinja:8:33",
    ]  # fmt: skip


def test_a_second_turn_of_the_same_name_is_told_its_name():
    found = faults(GOOD + "{% block user %}x{% endblock %}")
    assert "t.jinja:8: not a Jinja template: block 'user' defined twice" in found
    assert "t.jinja:8:10: block 'user' is turn 2 of its role; name it 'user_2'" in found


def test_a_word_inside_of_a_longer_word_is_not_pointed_at():
    (found,) = faults(GOOD.replace("{{ answer }}", "{{ answer }} {{ an }}"))
    assert found.startswith("t.jinja:7:38: block 'assistant' uses 'an'")


def test_a_variable_of_another_block_is_pointed_at_where_it_is_missing():
    (found,) = faults(
        GOOD.replace("{{ question }}", "{% set x = question %}{{ x }}").replace("answer }}", "answer ~ x }}")
    )
    assert found.startswith("t.jinja:7:34: block 'assistant' uses 'x'")


@pytest.mark.parametrize(
    ("inner", "known"),
    [
        ("{% if answer %}{% set x = answer %}{{ x }}{% endif %}", True),
        (
            "{% if answer %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}{% for i in [1] %}{{ x }}{% endfor %}",
            True,
        ),
        ("{% for i in answer %}{% if i %}{% set x = i %}{{ x }}{% endif %}{% endfor %}", True),
        ("{% for x in answer %}{% endfor %}{{ x }}", False),
        ("{% for i in answer %}{% if i %}{% set x = i %}{% endif %}{% endfor %}{{ x }}", False),
        ("{% with x = answer %}{% endwith %}{{ x }}", False),
        ("{% macro m(x) %}{% endmacro %}{{ m(answer) }}{{ x }}", False),
        ("{% macro m(y) %}{% if y %}{% set x = y %}{{ x }}{% endif %}{% endmacro %}{{ m(answer) }}", True),
        ("{% set ns.x = answer %}", False),
    ],
)
def test_a_variable_is_known_where_it_may_be_set(inner, known):
    found = faults(GOOD.replace("{{ answer }}", inner + "{{ answer }}"))
    assert found == [] if known else "which is not in inputs" in found[0]


@pytest.mark.parametrize(
    "expression",
    ["''.__class__", "''['__class__']", "answer._x", "[].__class__.__mro__", "range.__self__", "''|map(attribute='x')"],
)
def test_attributes_with_underscores_stop_the_build(expression):
    found = faults(GOOD.replace("answer }}", f"answer ~ {expression} }}}}"))
    assert bool(found) == ("_" in expression)


@pytest.mark.parametrize(
    "statement",
    [
        '{% include "m.jinja" %}',
        '{% extends "m.jinja" %}',
        "{% import answer as m %}",
        '{% import "m.jinja" as m with context %}',
        '{% from "m.jinja" import _f %}',
        '{% from "m.jinja" import ff %}',
    ],
)
def test_only_macros_by_plain_name_are_imported(statement):
    assert faults(statement + GOOD, m="{% macro f() %}{% endmacro %}{% macro _f() %}{% endmacro %}")


def test_files_that_import_each_other_are_found():
    body = '{% import "m.jinja" as m %}' + GOOD
    assert any(
        "imports itself" in f for f in faults(body, m='{% import "n.jinja" as n %}', n='{% import "m.jinja" as m %}')
    )


def test_nesting_too_deep_to_compile_is_a_fault_not_a_crash():
    deep = "{% for a in answer %}" * 40 + "{% endfor %}" * 40
    assert "too deeply nested" in faults(GOOD.replace("{{ answer }}", deep))[0]
    assert (
        "nested too deeply" in faults(GOOD.replace("answer }}", "answer ~ " + "(" * 5000 + "1" + ")" * 5000 + "}}"))[0]
    )
