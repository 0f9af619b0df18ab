# ruff: noqa: E501 (templates as one line each)
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from instructkit.hashing import uniform
from instructkit.templates.environment import Sandbox
from instructkit.templates.head import read_head
from instructkit.templates.library import find_templates, library_folder
from instructkit.templates.rendering import Compiled
from instructkit.templates.turns import Refusal

MACROS = "{% macro twice(x, y='-') %}{{ x }}{{ y }}{{ x }}{% endmacro %}{% set constant = 'c' %}"
STATEFUL = "{% set ns = namespace(n=0) %}{% macro count() %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endmacro %}"
CONSUMED = "{% set letters = ['a', 'b'] | map('upper') %}{% macro all() %}{% for x in letters %}{{ x }}{% endfor %}{% endmacro %}"
AWKWARD = [
    "{% block user %}{{ text }}{% endblock %}{% block assistant %}{{ items | join(', ') }}!{% endblock %}",
    "{% set seen = text %}{% block user %}{{ seen }}{% endblock %}{% block assistant %}{{ seen }}{{ items|length }}{% endblock %}",
    "{% if items %}{% set last = items[-1] %}{% endif %}"
    "{% block user %}{{ last is defined }} {{ text }}{% endblock %}{% block assistant %}{{ last }}{% endblock %}",
    "{% if items %}{% block user %}{{ text }}{% endblock %}{% endif %}{% block assistant %}{{ items }}.{% endblock %}",
    "{% block user %}{% set inner = text %}{{ inner }}{% endblock %}"
    "{% block assistant %}{% set inner = items|length %}{{ inner }}{% endblock %}",
    "{% macro wrap(x) %}<{{ x }}{{ caller() if caller }}>{% endmacro %}{% block user %}{{ wrap(text) }}{% endblock %}"
    "{% block assistant %}{% call wrap(items|length) %}in{% endcall %}{% endblock %}",
    "{% block user %}{% for x in items %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{{ x }}\n"
    "{% else %}none{% endfor %}{% endblock %}{% block assistant %}{{ text }}{% for x in items if x %}{{ x }}{% endfor %}x{% endblock %}",
    "{% block user %}{% set ns = namespace(found=false) %}{% for x in items %}{% if x %}{% set ns.found = true %}"
    "{% endif %}{% endfor %}{{ ns.found }}{% endblock %}{% block assistant %}{{ text }}{% endblock %}",
    '{% from "m.jinja" import twice, constant %}{% block user %}{{ twice(text) }}{% endblock %}'
    "{% block assistant %}{{ twice(items|length, y=constant) }}{% endblock %}",
    '{% block user %}{% import "m.jinja" as m %}{{ m.twice(text) }}{% endblock %}{% block assistant %}{{ items|length }}{% endblock %}',
    '{% import "s.jinja" as s %}{% block user %}{{ s.count() }}{{ s.count() }}{{ text }}{% endblock %}'
    "{% block assistant %}{{ s.count() }}{{ items|length }}{% endblock %}",
    '{% import "g.jinja" as g %}{% block user %}{{ g.all() }}{{ text }}{% endblock %}{% block assistant %}{{ g.all() }}{{ items|length }}{% endblock %}',
    "{% set turn = cycler('a', 'b') %}{% block user %}{{ turn.next() }}{{ text }}{% endblock %}"
    "{% block assistant %}{{ turn.next() }}{{ items|length }}{% endblock %}",
    "{% block user %}{{ items[0] }}{{ text }}{% endblock %}{% block assistant %}{{ items[0] ~ '-' ~ text }}{% endblock %}",
    "{% set x %}[{{ text }}]{% endset %}{% block system %}{{ x }}{% endblock %}{% block user %}  {{ x }}\n\n  {{ items|length }}  {% endblock %}"
    "{% block assistant %}\n{% filter upper %}{{ x }}{% endfilter %}{% raw %}{{ raw }}{% endraw %}\n{% endblock %}",
    "{% macro n(x) %}{% if x %}{{ x[0] }}{{ n(x[1:]) }}{% endif %}{% endmacro %}{% block user %}{{ n(items) }}{{ text }}{% endblock %}"
    "{% block assistant %}{% for x in [items] recursive %}{% if x is string %}{{ x }}{% else %}{{ loop(x) }}{% endif %}{% endfor %}.{% endblock %}",
]
IMPORTED = {"m": MACROS, "s": STATEFUL, "g": CONSUMED}
text = st.text(st.sampled_from("ab {}%#-|\n'\"\\é漢"), min_size=1, max_size=12).filter(str.strip)
rows = st.lists(st.fixed_dictionaries({"text": text}, optional={"items": st.lists(text, max_size=3)}), max_size=5)
INPUTS = "{text: , items: {required: false, default: [], type: list}}"


def plainly(body, row):
    """What Jinja itself makes of a row: one call of `render`, with marks in the text where the turns begin.

    Without white space at the ends, which is not Jinja's business; the tests about ends say what becomes of it.
    """
    marked = re.sub(r"{% block (\w+) %}", "{% block \\1 %}\x01\\1\x02", body)
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({f"{name}.jinja": source for name, source in IMPORTED.items()}),
    )
    turns = environment.from_string(marked).render(row).split("\x01")[1:]
    return [tuple(part.strip() for part in turn.split("\x02")) for turn in turns]


@pytest.mark.parametrize("body", AWKWARD)
def test_rows_through_one_context_are_what_plain_rendering_makes_of_each(make, body):
    template = make(body, inputs=INPUTS, **IMPORTED)

    @settings(max_examples=25, deadline=None)
    @given(rows)
    def law(rows):
        for row in rows:
            result = template.said(row)
            try:
                expected = plainly(body, {"items": [], **row})
            except Exception:
                assert result.rule == "template_error"
                continue
            if isinstance(result, Refusal):
                assert result.rule in ("empty_message", "empty_answer")
                assert not all(content for _, content in expected)
            else:
                assert [(role, content.strip()) for role, content in result] == expected

    law()


@settings(max_examples=50, deadline=None)
@given(rows, st.randoms(use_true_random=False), st.integers(0, 3))
def test_a_row_is_rendered_alike_in_any_order_and_after_any_other(make_awkward, rows, random, seed):
    for template in make_awkward:
        alone = {i: template.render(row, f"id {i}", seed) for i, row in enumerate(rows)}
        order = list(enumerate(rows))
        random.shuffle(order)
        assert {i: template.render(row, f"id {i}", seed) for i, row in order} == alone


@pytest.fixture(scope="module")
def make_awkward(make):
    drawn = "{% block user %}{{ ['a', 'b', text] | choice }}{% endblock %}{% block assistant %}{{ [1, 2, 3] | shuffle }}{{ items|length }}{% endblock %}"
    return [make(body, inputs=INPUTS, **IMPORTED) for body in [AWKWARD[10], AWKWARD[2], drawn]]


def without_blank_ends(data):
    lines = data.rstrip().split("\n")
    while not lines[0].strip():
        del lines[0]
    return "\n".join(lines)


@given(st.text(min_size=1, max_size=40).filter(lambda t: t.strip()))
@settings(max_examples=100, deadline=None)
def test_data_is_never_read_as_template(plain_template, data):
    for wrapped in (data, "{{ " + data + " }}", "{% raw %}" + data, "---\n" + data + "|||{# x #}"):
        assert plain_template.said({"text": wrapped}) == [("assistant", without_blank_ends(wrapped))]


@pytest.fixture(scope="module")
def plain_template(make):
    return make("{% block assistant %}{{ text }}{% endblock %}")


@pytest.mark.parametrize("empty", [None, "", " \n", [], {}])
def test_an_input_that_is_missing_or_empty_is_named(make, empty):
    template = make("{% block assistant %}{{ text }}{{ title }}{% endblock %}", inputs="[text, title]")
    for row in ({"text": "a", "title": empty}, {"text": "a"}):
        refusal = template.said(row)
        assert (refusal.rule, refusal.value) == ("missing_input", "title")


@pytest.mark.parametrize("value", [0, False, 0.0, "0"])
def test_zero_and_false_are_values(make, value):
    assert make("{% block assistant %}{{ text }}{% endblock %}").said({"text": value}) == [("assistant", str(value))]


def test_an_optional_input_is_none_or_its_default(make):
    inputs = "{text: , tone: {required: false}, style: {default: plain}}"
    template = make("{% block assistant %}{{ text }} {{ tone or 'no tone' }} {{ style }}{% endblock %}", inputs=inputs)
    assert template.said({"text": "a"}) == [("assistant", "a no tone plain")]
    assert template.said({"text": "a", "tone": "b", "style": "c"}) == [("assistant", "a b c")]


def test_a_value_of_another_type_is_named(make):
    template = make("{% block assistant %}{{ text + 1 }}{% endblock %}", inputs="{text: {type: integer}}")
    assert template.said({"text": 1}) == [("assistant", "2")]
    for value in ("1", True, 1.5):
        assert template.said({"text": value})[:3] == ("wrong_type", "text", "integer")


@pytest.mark.parametrize(
    ("body", "row", "rule"),
    [
        ("{% block assistant %}{{ text + 1 }}{% endblock %}", {"text": "a"}, "template_error"),
        ("{% block assistant %}{{ text.nothing }}{% endblock %}", {"text": {"a": 1}}, "template_error"),
        ("{% block assistant %}{{ text.a }}{% endblock %}", {"text": {"a": None}}, "template_error"),
        ("{% block assistant %}{{ text[1:] }}{% endblock %}", {"text": "a"}, "empty_answer"),
        (
            "{% block user %}{{ text[1:] }}{% endblock %}{% block assistant %}b{% endblock %}",
            {"text": "a"},
            "empty_message",
        ),
        ("{% if text == 'b' %}{% block assistant %}b{% endblock %}{% endif %}", {"text": "a"}, "not_applicable"),
        (
            "{% block user %}u{% endblock %}{% if text == 'b' %}{% block assistant %}b{% endblock %}{% endif %}",
            {"text": "a"},
            "empty_answer",
        ),
    ],
)
def test_what_cannot_be_rendered_is_refused_by_rule(make, body, row, rule):
    assert make(body).said(row).rule == rule


def test_an_error_in_an_imported_macro_names_its_file_and_line(make):
    body = '{% from "m.jinja" import f %}{% block assistant %}\n{{ f(text) }}{% endblock %}'
    refusal = make(body, m="\n{% macro f(x) %}\n{{ x + 1 }}{% endmacro %}").said({"text": "a"})
    assert refusal.value == "m.jinja:3"
    assert refusal.detail.startswith("m.jinja:3: TypeError: ")


def test_text_inside_of_a_message_is_not_touched(make):
    inner = "a\t \n\n\n  <b>&amp; 'x'\x0c\u2028 é"
    body = "{% block user %}\n\n  [{{ text }}]\n  {{ text | indent(2) }}]\n\n{% endblock %}{% block assistant %}x{% endblock %}"
    (_, user), _ = make(body).said({"text": inner})
    assert user == f"[{inner}]\n  " + inner.replace("\n  <b>", "\n    <b>") + "]"


CODE = "    a = 1\n    return a"


@pytest.mark.parametrize(
    "block",
    [
        "{% block assistant %}{{ text }}{% endblock %}",
        "{% block assistant %}\n{{ text }}\n{% endblock %}",
        "{% block assistant %} {{ text }} {% endblock %}",
        "{% block assistant %}\n\n  {% set same = text %}\n  {# why #}\n  {{ same }}\n{% endblock %}",
        "{% block assistant %}{{ '' }}\n  {{ text }}{% endblock %}",
        "{% block assistant %}{% if text %} {{ text }}{% else %}none{% endif %}{% endblock %}",
        "{% block assistant %}{% for x in [text] %}  {{ x }}{% endfor %}{% endblock %}",
        "{% block assistant %}{% with x = text %}  {{ x }}{% endwith %}{% endblock %}",
        "{% set x = text %}{% block assistant %}  {{ x }}{% endblock %}",
        "{% macro same(x) %}{{ x }}{% endmacro %}{% block assistant %}  {{ same(text) }}{% endblock %}",
    ],
)
@pytest.mark.parametrize("data", [CODE, "\n \n" + CODE + "\n\n  \n"])
def test_data_keeps_the_indentation_of_its_first_line(make, block, data):
    assert make(block).said({"text": data}) == [("assistant", CODE)]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{% block assistant %} Hello {{ text }} {% endblock %}", "Hello a"),
        ("{% block assistant %}\n\n    Hello\n      {{ text }}\n    {% endblock %}", "Hello\n      a"),
        ("{% block assistant %}{{ text if text == 'b' }} Hello {{ text }}{% endblock %}", "Hello a"),
        ("{% block assistant %}{% if text == 'b' %}{{ text }}{% endif %} {{ text }}{% endblock %}", "a"),
        ("{% block assistant %}{% if text == 'a' %}{{ text }}{% endif %} {{ text }}{% endblock %}", "a a"),
        ("{% block assistant %}{% if text == 'a' %} x{% else %} y{% endif %} {{ text }}{% endblock %}", "x a"),
        ("{% block assistant %}{% for x in [text, text] %} {{ x }}{% endfor %} z{% endblock %}", "a a z"),
        ("{% block assistant %}{% raw %}  {{{% endraw %} {{ text }}{% endblock %}", "{{ a"),
        ("{% block assistant %}{% filter trim %}{{ text }}{% endfilter %} b{% endblock %}", "a b"),
    ],
)
def test_white_space_that_the_author_wrote_before_the_first_word_is_layout(make, block, message):
    assert make(block).said({"text": "a"}) == [("assistant", message)]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(" \n\tab", max_size=8), st.text(" \n\tab", min_size=1, max_size=12).filter(str.strip))
def test_a_message_is_the_authors_words_and_the_data_without_blank_ends(make, written, data):
    template = make("{% block assistant %}" + written + "{{ text }}{% endblock %}")
    ((_, content),) = template.said({"text": data})
    assert content == without_blank_ends(written.lstrip() + data)


def test_tojson_writes_plain_json(make):
    value = {"b": "<é'>", "a": [1, None, True]}
    ((_, content),) = make("{% block assistant %}{{ text | tojson }}{% endblock %}").said({"text": value})
    assert json.loads(content) == value
    assert "<é'>" in content


def test_draws_depend_on_seed_id_and_order_and_on_nothing_else(make):
    body = "{% block assistant %}{{ range(1000)|choice }} {{ range(9)|shuffle|join }} {{ range(9)|sample(3)|join }}{% endblock %}"
    template = make(body + "{# {{ text }} #}", inputs="{}")
    first = template.said({}, "a", 1)
    assert template.said({}, "a", 1) == first
    assert make(body, inputs="{}").said({}, "a", 1) == first
    others = [template.said({}, "b", 1), template.said({}, "a", 2)]
    assert first not in others
    assert others[0] != others[1]
    choice, shuffled, sampled = first[0][1].split()
    assert int(choice) == int(uniform(1, "a", "1") * 1000)
    assert sorted(shuffled) == list("012345678")
    assert len(set(sampled)) == 3


def test_choice_is_even(make):
    template = make("{% block assistant %}{{ ['a', 'b', 'c', 'd'] | choice }}{% endblock %}", inputs="{}")
    counts = [[template.said({}, str(i))[0][1] for i in range(2000)].count(letter) for letter in "abcd"]
    assert all(400 < count < 600 for count in counts)


@pytest.mark.parametrize("draw", ["[] | choice", "[1] | sample(2)", "[1] | sample(-1)"])
def test_a_draw_of_too_little_is_an_error(make, draw):
    refusal = make("{% block assistant %}{{ " + draw + " }}{% endblock %}", inputs="{}").said({})
    assert refusal.rule == "template_error"


def as_jinja_itself_does(template, row, seed, phrasing, options):
    """A template's turns by one call of Jinja's own `render` in a new environment, its wording put in as text.

    Only what draws is ours; neither is the tree rewritten, nor a context kept.
    """
    head = read_head(template.sources[template.file], template.file)
    body = head.body
    for wording in head.wordings:
        if wording.name == phrasing:
            body = body.replace("{{ phrasing }}", wording.text.removesuffix("\n"))
    marked = re.sub(r"{%(-?) *block (\w+) *(-?)%}", "{%\\1 block \\2 \\3%}\x01\\2\x02", body)
    ours = Sandbox(formats=template.formats)
    ours.draws.begin(seed, "id", options)
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=DictLoader(template.sources)
    )
    environment.filters.update(
        {name: ours.filters[name] for name in ("choice", "shuffle", "sample", "options", "option", "tojson", "indent")}
    )
    given = {name: row.get(name) for name in template.front.declared()}
    given = {n: v if v not in (None, "", [], {}) else template.front.declared()[n].default for n, v in given.items()}
    choices = template.front.choices
    more = {"choices": given[choices] if isinstance(choices, str) else choices, "phrasing_name": phrasing}
    rendered = environment.from_string(marked).render(given | more | {"tool_call": lambda *_: ""})
    return [tuple(part.strip() for part in turn.split("\x02")) for turn in rendered.split("\x01")[1:]]


@pytest.mark.parametrize("template", find_templates(["*"], [library_folder()]), ids=lambda t: t.name)
def test_every_template_of_the_library_gives_what_jinja_itself_does(template):
    compiled = Compiled(template)
    rendered = 0
    for seed in range(2):
        for case in template.front.tests:
            for phrasing in template.front.wordings() or [None]:
                for options in template.formats[:2] if seed == 0 and template.front.choices else (None,):
                    result = compiled.render(case.given, "id", seed, phrasing, options)
                    if isinstance(result, Refusal):
                        continue
                    rendered += 1
                    expected = as_jinja_itself_does(template, case.given, seed, phrasing, options)
                    assert [(re.sub(r"_.*", "", name), text) for name, text in expected] == [
                        (t.role, t.content.strip()) for t in result.turns
                    ]
    assert rendered
