# ruff: noqa: E501 (templates as one line each)
"""Templates come from strangers: what a hostile one tries, and that it costs a row, never the machine."""

import pytest

from instructkit.errors import TemplateFault
from instructkit.templates.limits import MAX_MESSAGE_CHARACTERS
from instructkit.templates.turns import Refusal

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ [text]|map(attribute='__class__')|list }}",
    "{{ '{0.__class__}'.format(text) }}",
    "{{ '{0.__class__.__init__}'.format_map({'0': 1}) }}",
    "{{ range.__self__ }}",
    "{{ dict.fromkeys }}",
    "{{ dict.mro() }}",
    "{{ (1).to_bytes(1000000000, 'big') }}",
    "{{ text.encode() }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ joiner.__init__['__globals__'] }}",
    "{{ namespace.__init__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ self.__init__ }}",
    "{% set l = [1] %}{{ l.append(2) }}",
    "{% set d = {'a': 1} %}{{ d.update({'b': 2}) }}",
    "{{ text.translate({97: 'x' * 1000}) }}",
]
BOMBS = [
    "{{ 'x' * 10 ** 12 }}",
    "{{ [1] * 10 ** 12 }}",
    "{{ 10 ** 12 * 'x' }}",
    "{{ 10 ** (10 ** 10) }}",
    "{{ range(10 ** 12) | list }}",
    "{% for i in range(10 ** 12) %}x{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=2) %}{% for i in range(99) %}{% set ns.s = ns.s * ns.s %}{% endfor %}{{ ns.s }}",
    "{% set x = 'x' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60 + "{{ x }}",
    "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(45) }}",
    "{% macro f(x) %}{{ f([x, x]) }}{% endmacro %}{{ f([1]) }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop([1, 2]) if loop.depth < 45 }}{% endfor %}",
    "{{ 'x' | center(10 ** 12) }}",
    "{{ 'x'.center(10 ** 12) }}",
    "{{ 'x'.ljust(10 ** 12) }}",
    "{{ 'x'.zfill(10 ** 12) }}",
    "{{ 'x\nx' | indent(10 ** 12) }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' | format(1000000000, 1) }}",
    "{{ '%.1000000000f' % 1.0 }}",
    "{% set x = 'x' * 99999 %}{{ ('%(a)s' * 99999) % {'a': x} }}",
    "{% set x = 'x' * 99999 %}{{ x.replace('x', x) }}",
    "{% set x = 'x' * 99999 %}{{ x | replace('x', x) }}",
    "{% set x = 'x' * 99999 %}{{ x.join(x) }}",
    "{% set x = 'x' * 99999 %}{{ x | join(x) }}",
    "{{ [1] | batch(10 ** 12, 'x') | list }}",
    "{{ [1] | slice(10 ** 12) | list }}",
    "{{ 1.5 | round(10 ** 12, 'ceil') }}",
    "{{ [1] | tojson(indent=10 ** 12) }}",
    "{{ ('x ' * 99999) | wordwrap(1, wrapstring='x' * 99999) }}",
    "{{ [[1], [2]] | sum(start=[]) }}",
    "{{ [1, 2] | sample(10 ** 12) }}",
    "{% set x = 'x' * 99999 %}{% for i in range(99999) %}{{ x.upper() == x }}{% endfor %}",
]


def refused(make, body):
    """Why a template with this assistant block gives nothing: a fault of the build, or the refusal of the row."""
    try:
        template = make("{% block user %}{{ text }}{% endblock %}{% block assistant %}" + body + "{% endblock %}")
    except TemplateFault as fault:
        return fault
    result = template.said({"text": "some text"})
    return result if isinstance(result, Refusal) else None


@pytest.mark.parametrize("body", ESCAPES)
def test_no_way_out_of_the_sandbox(make, body):
    assert refused(make, body) is not None


@pytest.mark.parametrize("body", BOMBS)
def test_no_bomb_goes_off(make, body):
    refusal = refused(make, body)
    assert refusal is not None
    if isinstance(refusal, Refusal):
        assert refusal.rule in ("template_error", "output_too_long")


def test_a_refused_row_says_file_line_and_limit(make):
    template = make("{% block assistant %}\n{{ text }}\n{{ 'x' * 10 ** 12 }}{% endblock %}")
    refusal = template.said({"text": "a"})
    assert refusal.rule == "template_error"
    assert refusal.value == "t.jinja:8"
    assert "200,000,000 characters of work" in refusal.detail


def test_a_row_after_a_refused_one_is_rendered_as_if_alone(make):
    template = make("{% block assistant %}{% for i in range(text) %}{{ 'x' * 9 }}{% endfor %}{% endblock %}")
    assert isinstance(template.said({"text": 10**9}), Refusal)
    assert template.said({"text": 1}) == [("assistant", "x" * 9)]


@pytest.mark.parametrize("body", ["{{ text }}\\ud800{{ '\\ud800' }}", "{{ '%c' % 55296 }}"])
def test_half_of_a_character_is_refused(make, body):
    refusal = refused(make, body)
    assert (refusal.rule, refusal.value) == ("template_error", "t.jinja")


def test_a_message_of_the_greatest_length_passes_and_one_more_character_does_not(make):
    template = make("{% block assistant %}{{ text }}{% endblock %}")
    longest = "x" * MAX_MESSAGE_CHARACTERS
    assert template.said({"text": longest}) == [("assistant", longest)]
    refusal = template.said({"text": longest + "x"})
    assert (refusal.rule, refusal.value, refusal.threshold) == ("output_too_long", "1000001", "1000000")


def test_honest_work_is_within_the_bounds(make):
    body = "{% block assistant %}{% for line in text.split('\n') %}{{ loop.index }} {{ line|upper }}\n{% endfor %}{% endblock %}"
    result = make(body).said({"text": "\n".join(["word"] * 50_000)})
    assert result[0][1].endswith("50000 WORD")
