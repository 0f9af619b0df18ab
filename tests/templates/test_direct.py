"""The quicker way gives what the other gives, or leaves the row to it."""
# ruff: noqa: E501 (templates as one line each)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.templates.library import find_templates, library_folder
from instructkit.templates.limits import MAX_MESSAGE_CHARACTERS
from instructkit.templates.rendering import Compiled
from instructkit.templates.turns import Refusal, Turn

INPUTS = (
    "{text: , tone: {required: false}, style: {default: plain}, "
    "count: {type: integer, required: false}, items: {required: false, type: list}, "
    "note: {empty: true}}"
)


USES = "{% if tone or count or items or style or note %}{% endif %}"
DIRECT = [
    "{% block user %}{{ text }}{% endblock %}{% block assistant %}" + USES + "{{ text }}{% endblock %}",
    "{% block system %}'\"{x}\\{% endblock %}{% block user %}\n\n  {{ text }}\n {{ style }} \n{% endblock %}"
    "{% block assistant %}" + USES + "{{ tone }}{{ count }}{% endblock %}",
    "{% block user %} {% if tone %} {{ tone }}:{% elif count == 2 %}two{% else %}  {% endif %} {{ text }}{{ note }}{% endblock %}"
    "{% block assistant %}{% if not items and (style != 'x' or count) %}{{ text }}{% endif %} {{ style }}{% endblock %}",
    "{% block user %}{% if items %}{{ items }}{% endif %}{{ text }}{% endblock %}"
    "{% block assistant %}{% if tone and not note %}{% if count %}{{ count }}{% else %}{{ tone }}{% endif %}{% endif %}"
    "{{ '' }}{{ style }}{% endblock %}",
    "{% block user %}{% raw %}{{ x }}{% endraw %}{% endblock %}{% block assistant %}"
    + USES
    + "{{ text }}{% endblock %}",
]
MORE = [
    "{% block user %}{{ text | trim }}{% endblock %}" + "{% block assistant %}" + USES + "x{% endblock %}",
    "{% block user %}{% for x in items or [] %}{{ x }}{% endfor %}{% endblock %}"
    "{% block assistant %}" + USES + "{{ text }}{% endblock %}",
    "{% block user %}{{ text ~ tone }}{% endblock %}{% block assistant %}" + USES + "x{% endblock %}",
    "{% block user %}{{ text + 'a' }}{% endblock %}{% block assistant %}" + USES + "x{% endblock %}",
    "{% block user %}{{ text.upper() }}{% endblock %}{% block assistant %}" + USES + "x{% endblock %}",
    "{% block user %}{{ text[0] }}{% endblock %}{% block assistant %}" + USES + "x{% endblock %}",
    "{% block user %}{% if text is string %}a{% endif %}{% endblock %}{% block assistant %}" + USES + "x{% endblock %}",
    "{% block user %}{% if count > 2 %}a{% endif %}{{ text }}{% endblock %}{% block assistant %}"
    + USES
    + "x{% endblock %}",
    "{% block user %}{% set a = text %}{{ a }}{% endblock %}{% block assistant %}" + USES + "x{% endblock %}",
    "{% set a = text %}{% block user %}{{ a }}{% endblock %}{% block assistant %}" + USES + "x{% endblock %}",
    "{% if tone %}{% block system %}{{ tone }}{% endblock %}{% endif %}{% block user %}{{ text }}{% endblock %}"
    "{% block assistant %}" + USES + "x{% endblock %}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{% block user %}{{ f(text) }}{% endblock %}"
    "{% block assistant %}" + USES + "x{% endblock %}",
    "{% block user %}{{ [text] | choice }}{% endblock %}{% block assistant %}" + USES + "x{% endblock %}",
]
words = st.text(st.sampled_from("ab {}%#'\"\\\n\té漢\x1c\xa0"), max_size=8) | st.just("\ud800")
values = st.one_of(
    words,
    words,
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.just(1.5),
    st.lists(words, max_size=2),
    st.just({"a": None}),
)
plain = st.text("ab漢", min_size=1, max_size=8)


def columns(template, rows):
    return {name: [row.get(name) for row in rows] for name, _ in template.declared}


def compare(template, rows, seed=0, phrasing=None):
    """Both ways; gives how many rows the quicker one made."""
    ids = [f"id {i}" for i in range(len(rows))]
    numbers, variants = template.phrasings_of(len(ids), lambda: ids, seed, phrasing)
    made = template.direct.render(columns(template, rows), numbers)
    turns = len(template.roles)
    assert len(made) == turns * len(rows)
    quick = 0
    for i, row in enumerate(rows):
        contents = made[i * turns : (i + 1) * turns]
        slow = template.render(row, ids[i], seed, phrasing)
        if None in contents:
            assert contents == [None] * turns
            continue
        quick += 1
        assert not isinstance(slow, Refusal)
        assert slow.turns == [Turn(role, content) for role, content in zip(template.roles, contents, strict=True)]
        assert (slow.tools, slow.variant) == (None, variants[i])
    return quick


@pytest.mark.parametrize("body", DIRECT)
@pytest.mark.parametrize(
    "more", ["", "phrasings: [A, 'B {{ text }}', '{% if tone %}{{ tone }}{% endif %} C{{ note }}']\n"]
)
def test_both_ways_make_the_same_of_any_values(make, body, more):
    if more:
        body = body.replace("{% block user %}", "{% block user %}{{ phrasing }}")
    template = make(body, inputs=INPUTS, more=more)
    assert template.direct is not None

    @settings(max_examples=60)
    @given(
        st.lists(
            st.dictionaries(st.sampled_from(["text", "tone", "style", "count", "items", "note"]), values), max_size=6
        ),
        st.integers(0, 2),
        st.sampled_from([None, "2"] if more else [None]),
    )
    def law(rows, seed, phrasing):
        compare(template, rows, seed, phrasing)

    law()


@pytest.mark.parametrize("body", DIRECT)
def test_plain_rows_go_the_quicker_way(make, body):
    template = make(body, inputs=INPUTS)

    @settings(max_examples=20)
    @given(
        st.lists(
            st.fixed_dictionaries({"text": plain, "tone": plain, "count": st.integers(1, 3), "note": st.just("")}),
            max_size=4,
        )
    )
    def law(rows):
        assert compare(template, rows) == len(rows)

    law()


@pytest.mark.parametrize("body", MORE)
def test_what_does_more_than_print_is_left_to_jinja(make, body):
    assert make(body, inputs=INPUTS).direct is None


TEMPLATES = [Compiled(template) for template in find_templates(["*"], [library_folder()])]


@pytest.mark.parametrize("template", [t for t in TEMPLATES if t.direct], ids=lambda t: t.template.name)
def test_both_ways_make_the_same_with_every_template_of_the_library(template):
    names = [name for name, _ in template.declared]

    @settings(max_examples=25)
    @given(st.lists(st.dictionaries(st.sampled_from(names), values | plain), max_size=4))
    def law(rows):
        compare(template, rows)

    law()
    compare(template, [case.given for case in template.template.front.tests])


def test_no_word_of_a_template_becomes_python(make):
    inputs = "[out, add, numbers, value0, text0, is_unicode, number]"
    printed = "".join(f"{{{{ {name} }}}}" for name in inputs.strip("[]").split(", "))
    text = "''' + __import__('os').name + ''' {out} \\N{{x}} \\\\ \" f'{1}'"
    body = (
        "{% block user %}{% raw %}"
        + text
        + "{% endraw %}{% endblock %}{% block assistant %}"
        + printed
        + "{% endblock %}"
    )
    template = make(body, inputs=inputs)
    row = {name: f"<{name}>" for name, _ in template.declared}
    assert compare(template, [row]) == 1
    assert template.direct.render(columns(template, [row]), [0]) == [text, "".join(row.values())]


def test_too_long_messages_and_unequal_kinds_of_values_are_left(make):
    template = make("{% block assistant %}{{ text }}{{ text }}{% endblock %}")
    rows = [{"text": text} for text in ("a", "a" * (MAX_MESSAGE_CHARACTERS // 2 + 1), 1, None, True, ["x"], "  b")]
    assert compare(template, rows) == 3
    assert compare(template, [{"text": "a" * (MAX_MESSAGE_CHARACTERS // 2)}]) == 1


def test_many_phrasings_and_deep_conditions_are_no_trouble(make):
    wordings = "phrasings: [" + ", ".join(f"'W{i}'" for i in range(100)) + "]\n"
    body = "{% block user %}{{ phrasing }} {{ text }}{% endblock %}{% block assistant %}x{% endblock %}"
    many = make(body, more=wordings)
    if many.direct:
        assert compare(many, [{"text": "a"}] * 50) == 50
    deep = "{% if text %}" * 60 + "a" + "{% else %}{{ text }}{% endif %}" * 60
    nested = make("{% block user %}" + deep + "{% endblock %}{% block assistant %}x{% endblock %}")
    if nested.direct:
        assert compare(nested, [{"text": "a"}]) == 1
