# ruff: noqa: E501 (faults as one line each)
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.errors import TemplateFault
from instructkit.templates.turns import Rendered

BODY = "{% block user %}{{ phrasing }}{% endblock %}{% block assistant %}{{ text }}{% endblock %}"
THREE = """phrasings:
  - "Say: {{ text }}"
  - |

    {{ text }}

    What is that?
  - >-
    Of {{ text }},
    tell.
"""


def faults(make, body, more, **options):
    with pytest.raises(TemplateFault) as fault:
        make(body, more=more, **options)
    return [str(f) for f in fault.value.faults]


def test_a_phrasing_stands_where_the_block_says_and_is_recorded(make):
    template = make(BODY, more=THREE)
    said = {name: template.render({"text": "x"}, "id", 0, phrasing=name) for name in "123"}
    assert [said[name].turns[0].content for name in "123"] == ["Say: x", "x\n\nWhat is that?", "Of x, tell."]
    assert [said[name].variant for name in "123"] == ["phrasing=1", "phrasing=2", "phrasing=3"]


def test_phrasings_are_drawn_evenly_by_row_and_seed(make):
    template = make(BODY, more=THREE)
    drawn = [template.render({"text": "x"}, str(i), 0).variant for i in range(900)]
    assert drawn == [template.render({"text": "x"}, str(i), 0).variant for i in range(900)]
    assert drawn != [template.render({"text": "x"}, str(i), 1).variant for i in range(900)]
    assert all(240 < count < 360 for count in Counter(drawn).values())


def test_other_draws_of_a_row_do_not_depend_on_its_phrasing(make):
    body = BODY.replace("{{ text }}{% endblock %}", "{{ text }}{{ range(1000) | choice }}{% endblock %}")
    template = make(body, more=THREE)
    plain = make(body.replace("{{ phrasing }}", "Say"))
    row = {"text": "x"}
    answers = {template.render(row, "id", 0, phrasing=name).turns[1] for name in "123"}
    assert answers == {plain.render(row, "id", 0).turns[1]}


def test_a_mapping_names_its_phrasings_and_the_body_may_ask_for_the_name(make):
    more = "phrasings: {long: 'Tell me all about {{ text }}.', terse: '{{ text }}?'}\n"
    body = BODY.replace("{{ text }}{% endblock %}", "{{ 'Yes' if phrasing_name == 'terse' else text }}{% endblock %}")
    template = make(body, more=more)
    assert template.said({"text": "x"}, phrasing="terse") == [("user", "x?"), ("assistant", "Yes")]
    assert template.said({"text": "x"}, phrasing="long")[1] == ("assistant", "x")
    assert template.render({"text": "x"}, "id", 0, phrasing="long").variant == "phrasing=long"


def test_a_phrasing_uses_macros_variables_and_tags_of_its_own(make):
    more = 'phrasings: ["{{ m.twice(word) }}", "{% for c in word %}{% set d = c %}{{ d }}-{% endfor %}"]\n'
    body = '{% import "m.jinja" as m %}{% set word = text | upper %}' + BODY
    template = make(body, more=more, m="{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}")
    assert [template.said({"text": "ab"}, phrasing=n)[0][1] for n in "12"] == ["ABAB", "A-B-"]


@pytest.mark.parametrize(
    "wording",
    [
        '{{ text ~ " " if text else "" }}{% if text %}x{% elif not text %}y{% else %}z{% endif %}',
        "{% for a, b in {text: 1}.items() if a %}{{ loop.index ~ a[0:1:1] }}{% else %}{{ -1 }}{% endfor %}",
        "{% with x = text | default('a', true) %}{{ x is string and not x in ['y'] or x }}{% endwith %}",
        "{% filter upper %}{{ (1 + 2) * 3 }}{% raw %}{{ raw }}{% endraw %}{# comment #}{% endfilter %}",
        "{% set x %}{{ text }}{% endset %}{{ x }}{{ [text, (1, 2)] | join(d='-') }}",
    ],
)
def test_whatever_jinja_reads_may_be_a_wording(make, wording):
    said = make(BODY, more=f"phrasings:\n  - {json.dumps(wording)}\n  - b\n").said({"text": "a"}, phrasing="1")
    assert said[0] == make(BODY.replace("{{ phrasing }}", wording)).said({"text": "a"})[0]


def test_one_phrasing_and_several_places_are_fine(make):
    body = "{% block user %}{% if text == 'a' %}{{ phrasing }}!{% else %}<{{ phrasing }}>{% endif %}{% endblock %}"
    template = make(body + "{% block assistant %}b{% endblock %}", more="phrasings: ['Of {{ text }}']\n")
    assert [template.said({"text": t})[0][1] for t in "ac"] == ["Of a!", "<Of c>"]


@settings(max_examples=50, deadline=None)
@given(st.text(st.sampled_from("ab \n{}%#'\"é"), min_size=1).filter(str.strip))
def test_data_in_a_phrasing_is_never_read_as_template(make_phrased, data):
    for name in "123":
        assert data.strip() in make_phrased.said({"text": data}, phrasing=name)[0][1]


@pytest.fixture(scope="module")
def make_phrased(make):
    return make(BODY, more=THREE)


@pytest.mark.parametrize(
    ("more", "body", "fault"),
    [
        ("phrasings:\n  - Say {{ txt }}\n", BODY, "t.jinja:6:12: block 'user' uses 'txt', which is not in inputs [text]; did you mean 'text'?"),
        ("phrasings:\n  - |\n\n    {{ text | uper }}\n", BODY, "t.jinja:8:15: no filter named 'uper'; did you mean 'upper'?"),
        ("phrasings:\n  a: b\n  c: |\n    x\n    {% if text %}\n", BODY, "t.jinja:9: phrasing 'c' is not a Jinja template"),
        ('phrasings:\n  - a\n  - "One\\n\\n\\n{{ txt }}"\n', BODY, "t.jinja:7:18: block 'user' uses 'txt'"),
        ('phrasings:\n  - a\n  - "One\\n\\n{% if %}"\n', BODY, "t.jinja:7: phrasing '2' is not a Jinja template"),
        ("phrasings:\n  - a\n  - >\n    {{ txt }}\n\n    more\n\n    {{ tet }}\n", BODY, "t.jinja:8: block 'user' uses 'tet'"),
        ("phrasings: [a, b]\n", BODY.replace("{{ phrasing }}", "u"), "t.jinja:5:1: no block says where the phrasing goes: write {{ phrasing }} there"),
        ("phrasings: [a, b]\n", BODY.replace("phrasing }}", "phrasing | trim }}"), "t.jinja:7:20: 'phrasing' stands alone, in a block"),
        ("phrasings: [a, b]\n", BODY + "{% set x = phrasing %}", "'phrasing' stands alone, in a block"),
        ("phrasings: [a, '{{ phrasing }}']\n", BODY, "'phrasing' stands alone, in a block"),
        ("phrasings: [a, '{% import \"m.jinja\" as m %}']\n", BODY, "t.jinja:5:20: 'import' inside of a phrasing"),
        ("phrasings: [a, '{% block user %}{% endblock %}']\n", BODY, "t.jinja:5:20: 'block' inside of a phrasing"),
        ("phrasings: [a, ' a']\n", BODY, "t.jinja:5:1: phrasings: 'a' stands there twice"),
        ("phrasings: {a/b: a, b: c}\n", BODY, "t.jinja:5:13: phrasing 'a/b': a name is of letters"),
        ("phrasings: [a, '']\n", BODY, "t.jinja:5:16: phrasings.1: expected 'str' of length >= 1"),
        ("phrasings: [a, b]\ntests: [{given: {}, phrasing: '3', expect_drop: x}]\n", BODY, "t.jinja:6:21: test names phrasing '3'; there are: 1, 2"),
        ("", BODY, "block 'user' uses 'phrasing', which is not in inputs [text]; wordings come with the front matter's key 'phrasings'"),
    ],
)  # fmt: skip
def test_a_fault_of_a_phrasing_names_its_own_line(make, more, body, fault):
    found = faults(make, body, more)
    assert any(fault in f for f in found), found


def test_inputs_may_not_have_the_names_of_what_phrasings_bring(make):
    found = faults(make, BODY, "phrasings: [a, b]\n", inputs="[text, phrasing_name]")
    assert "with the key 'phrasings', 'phrasing_name' is a variable of its own" in "".join(found)
    body = "{% block assistant %}{{ phrasing }}{% endblock %}"
    assert make(body, inputs="[phrasing]").said({"phrasing": "p"}) == [("assistant", "p")]


def test_an_error_in_a_phrasing_names_its_own_line(make):
    template = make(BODY, more="phrasings:\n  - fine\n  - |\n    of\n    {{ text + 1 }}\n")
    assert isinstance(template.render({"text": "x"}, "id", 0, phrasing="1"), Rendered)
    refusal = template.render({"text": "x"}, "id", 0, phrasing="2")
    assert refusal.value == "t.jinja:9"
    template = make(BODY, more='phrasings:\n  - fine\n  - "of\\n\\n\\n{{ text + 1 }}"\n')
    assert template.render({"text": "x"}, "id", 0, phrasing="2").value == "t.jinja:7"
