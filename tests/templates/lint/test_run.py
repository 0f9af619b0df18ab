from hypothesis import given
from hypothesis import strategies as st

from instructkit.errors import Fault, TemplateFault
from instructkit.templates.lint.rules import RULES
from instructkit.templates.lint.run import CHECKS, lint
from instructkit.templates.template import from_sources


def test_each_rule_has_its_check_and_each_check_its_rule():
    assert {*CHECKS, "fault", "duplicate_template"} == set(RULES)


def test_faults_of_loading_are_findings_too(template):
    linted = lint([template()], [("b", Fault("b.jinja", 3, 1, "unknown key 'x'"))])
    assert [(f.rule, f.severity, str(f)) for f in linted.findings] == [
        ("fault", "error", "b.jinja:3:1: error: unknown key 'x' [fault]")
    ]
    assert (linted.templates, linted.faults, linted.count("error")) == (2, 1, 0)


def test_rows_of_which_none_is_rendered(found):
    ((rule, message),) = found(rows=[{"text": "", "title": "a"}, {"text": " ", "title": ""}])
    assert rule == "no_rows"
    assert message.startswith(
        "none of 2 rows gives a conversation (missing_input 2; the first: the template needs 'text'"
    )
    assert found(rows=[{"text": "", "title": "a"}, {"text": "a", "title": "b"}]) == []
    assert found(rows=[{"other": 1}]) == []  # not the template's rows
    ask = "{% if text == 'a' %}{% block user %}{{ text }}{% endblock %}{% block assistant %}{{ title }}{% endblock %}"
    assert found(ask + "{% endif %}", rows=[{"text": "b", "title": "a"}], tests="[]")[1:] == []


def test_every_rule_but_a_fault_can_be_allowed(rules):
    body = "{% block user %}TODO \n{{ title }}{% endblock %}{% block assistant %}{{ title }}{% endblock %}"
    broken = {"inputs": "[title]", "summary": "No stop", "license": None, "languages": None, "tests": None}
    found = rules(body, **broken)
    assert len(found) > 6
    assert rules(body, allow=f"[{', '.join(found)}]", **broken) == []


PIECES = st.sampled_from(
    [
        "{% block user %}", "{% block assistant %}", "{% block user_2 %}", "{% block tool %}", "{% endblock %}",
        "{% if text %}", "{% elif title %}", "{% else %}", "{% endif %}", "{% for x in text %}", "{% endfor %}",
        "{% set a = text %}", "{% set b = a ~ title %}", "{% set a = b %}", "{{ text }}", "{{ title }}", "{{ a }}",
        "{{ b | upper }}", "{{ ['x', text] | choice }}", "{{ {'k': text}['k'] }}", "{{ 'a' if text else title }}",
        " \n", "Words.", "总结", "{% with c = text %}", "{% endwith %}", "{% macro m(x) %}", "{% endmacro %}",
        "{{ m(title) }}",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14))
def test_lint_raises_on_no_template_that_loads(pieces):
    body = "{% block system %}{{ text }}{{ title }}{% endblock %}" + "".join(pieces)
    if "{% block assistant %}" not in pieces:
        body += "{% block assistant %}{{ title }}{% endblock %}"
    head = "---\nsummary: S.\ntask: t\ninputs: [text, title]\ntests: [{given: {text: a, title: b}, expect: []}]\n---\n"
    try:
        loaded = from_sources("t", {"t.jinja": head + body})
    except TemplateFault:
        return
    lines = body.count("\n") + head.count("\n") + 1
    for finding in lint([loaded], rows={"t": [{"text": "a", "title": "b"}, {}]}).findings:
        assert 1 <= finding.line <= lines
        assert finding.message
