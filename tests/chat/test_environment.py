import jinja2
import pytest

from instructkit.chat.environment import compiled


def text(template, **variables):
    return compiled(template)(variables)[0]


def test_today_never_changes():
    assert text("{{ strftime_now('%d %b %Y') }}") == "26 Jul 2024"


def test_marks_are_the_ranges_inside_generation_in_order():
    template = "a{% for x in 'pq' %}<{% generation %}{{ x * 2 }}{% endgeneration %}>{% endfor %}"
    assert compiled(template)({}) == ("a<pp><qq>", [(2, 4), (6, 8)])
    assert compiled(template)({}) == ("a<pp><qq>", [(2, 4), (6, 8)]), "a second rendering starts afresh"


@pytest.mark.parametrize("marked", [True, False])
def test_nothing_is_left_over_from_the_text_before(marked):
    template = (
        "{% if x is defined %}x{% endif %}{% if m is defined %}m{% endif %}{% if y is defined %}y{{ y }}{% endif %}"
        "{% set x = 1 %}{% macro m() %}{% endmacro %}{% if stop %}{{ raise_exception('no') }}{% endif %}"
    )
    render = compiled(template, marked)
    assert render({"y": 2}) == ("y2", [])
    with pytest.raises(jinja2.TemplateError):
        render({"stop": True})
    assert render({}) == ("", [])


def test_what_is_set_inside_a_mark_stays_inside():
    template = "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}"
    assert compiled(template)({}) == ("21", [(0, 1)])
    assert compiled(template, False)({}) == ("21", [])


def test_json_is_not_escaped_for_html():
    assert text("{{ x | tojson }}", x={"é": "<b>&"}) == '{"é": "<b>&"}'


def test_loops_can_be_left():
    assert text("{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}") == "1"


def test_a_refusal_is_the_templates_own_words():
    with pytest.raises(jinja2.TemplateError, match="roles must alternate"):
        text("{{ raise_exception('roles must alternate') }}")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ x.append(1) }}",
        "{{ namespace(__init__=1) }}",
        "{{ dict.__init__() }}",
        "{{ raise_exception.__globals__.json }}",
        "{% set ns = namespace() %}{% set ns._x = 1 %}",
    ],
)
def test_a_template_cannot_leave_the_sandbox(template):
    with pytest.raises(jinja2.exceptions.SecurityError):
        text(template, x=[])
