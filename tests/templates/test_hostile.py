# ruff: noqa: E501 (templates as one line each)
"""Templates come from strangers: what a hostile one tries, and that it costs a fault or a row, never the machine.

Each attack stands in an assistant block (or where it says), on a row with `text: some text`. It is refused when the
template loads, or when the row is rendered; whichever it is names file and line.
"""

import re

import msgspec
import pytest

from instructkit.errors import TemplateFault
from instructkit.schema import Document, Origin, frame
from instructkit.stages.render.template import RenderTemplate
from instructkit.templates.limits import MAX_MESSAGE_CHARACTERS, MAX_WORK
from instructkit.templates.turns import Refusal, Rendered

X = "{% set x = 'x' * 99999 %}"
LONG = "{% set a = 'x' * 999999 ~ 'a' %}{% set b = 'x' * 999999 ~ 'b' %}"
LOOP, END = "{% for i in range(99999) %}", "{% endfor %}"
TREE = "{% set x = [1] %}" + "{% set x = [x, x] %}" * 17
DUNDER = "'__cla' ~ 'ss__'"

ATTACKS = {
    "the class of a value, in every disguise": [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ ''[" + DUNDER + "] }}",
        "{{ text[" + DUNDER + "]['__mro__'] }}",
        "{% set name = " + DUNDER + " %}{{ text[name] }}",
        "{{ text['\\x5f\\x5fclass\\x5f\\x5f'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ [text] | map('attr', '__class__') | list }}",
        "{{ [text] | map(attribute='__class__') | list }}",
        "{{ [text] | map(attribute=" + DUNDER + ") | join }}",
        "{{ [text] | map(attribute='upper.__self__') | join }}",
        "{{ [text] | groupby('__class__') }}",
        "{{ [text, text] | sort(attribute='__class__') }}",
        "{{ [text, text] | sort(attribute=" + DUNDER + ") | join }}",
        "{{ [text, text] | unique(attribute='__class__') | join }}",
        "{{ [text, text] | max(attribute='__class__') }}",
        "{{ [text] | sum(attribute='__class__') }}",
        "{{ [text] | join(attribute='__class__') }}",
        "{{ [text] | selectattr('__class__') | join }}",
        "{{ [text] | rejectattr(" + DUNDER + ", 'eq', 1) | join }}",
        "{{ ([text] | groupby(0) | first).__class__ }}",
    ],
    "the way out by a function": [
        "{{ range.__self__ }}",
        "{{ range['__self__'] }}",
        "{{ dict.fromkeys }}",
        "{{ dict.mro() }}",
        "{{ dict.__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ joiner.__init__['__globals__'] }}",
        "{{ namespace.__init__ }}",
        "{{ tool_call.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ super() }}",
        "{% macro m() %}{% endmacro %}{{ m._func }}",
        "{% macro m() %}{% endmacro %}{{ m['_func'] }}",
        "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
        "{% for i in [1] %}{{ loop._iterator }}{% endfor %}",
        "{% for i in [1] %}{{ loop['_iter' ~ 'able'] }}{% endfor %}",
        "{{ cycler(1)['__init__'] }}",
        "{{ debug() }}",
        "{% debug %}",
        "{{ config }}",
        "{{ request.application }}",
        "{{ text.upper['__self__'] }}",
        "{% import 'm.jinja' as m %}{{ m['__init__'] }}",
        "{% import 'm.jinja' as m %}{{ m._body_stream }}",
        "{% from 'm.jinja' import _hidden %}",
    ],
    "format strings": [
        "{{ '{0.__class__}'.format(text) }}",
        "{{ '{0.__class__.__init__}'.format_map({'0': 1}) }}",
        "{{ text.format() }}",
        "{{ '%s' | format(range) }}",
        "{{ '%s' % range }}",
        "{{ '%r' % cycler(1) }}",
        "{{ '%(a)s' | format(a=dict) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' | format(1000000000, 1) }}",
        "{{ '%.1000000000f' % 1.0 }}",
        X + "{{ ('%(a)s' * 99999) % {'a': x} }}",
        TREE + LOOP + "{{ ('%s' % [x]) | length }}" + END,
        LOOP + "{{ ('%x' % (('1' * 999999) | int(base=2))) | length }}" + END,
    ],
    "what it prints tells of this machine": [
        "{{ range }}",
        "{{ text.upper }}",
        "{{ [text] | map('upper') }}",
        "{{ [text | list | map('upper')] }}",
        "{{ {'a': dict} }}",
        "{{ cycler('a') ~ '' }}",
        "{{ range | string }}",
        "{{ dict | upper }}",
        "{{ [range] | join }}",
        "{{ [range] | string }}",
        "{{ {'a': 1}.items() }}",
        "{% macro m() %}{% endmacro %}{{ m }}",
        "{% for i in [1] %}{{ loop }}{% endfor %}",
    ],
    "changing what it was given": [
        "{% set l = [1] %}{{ l.append(2) }}",
        "{% set d = {'a': 1} %}{{ d.update({'b': 2}) }}",
        "{% set d = {'a': 1} %}{% set d.a = 2 %}",
        "{% set d = {'a': 1} %}{{ d.pop('a') }}",
        "{% set d = {'a': 1} %}{{ d.setdefault('b', 1) }}",
        "{{ choices.clear() }}",
        "{{ [3, 1].sort() }}",
        "{% set text.x = 1 %}",
        "{% set range.x = 1 %}",
        "{{ namespace(a=1).update }}",
        "{{ cycler(1).__setattr__ }}",
    ],
    "bytes and code": [
        "{{ (1).to_bytes(1000000000, 'big') }}",
        "{{ text.encode() }}",
        "{{ text.translate({97: 'x' * 1000}) }}",
        "{{ text.maketrans('a', 'b') }}",
        "{{ eval('1') }}",
        "{{ open('/etc/passwd') }}",
        "{{ __import__('os') }}",
        "{{ __builtins__ }}",
        "{% do text %}",
        "{% trans %}{% endtrans %}",
        "{% autoescape true %}{% endautoescape %}",
    ],
    "ranges and loops": [
        "{{ range(10 ** 12) | list }}",
        "{% for i in range(10 ** 12) %}x{% endfor %}",
        "{{ range(10 ** 30) }}",
        LOOP * 2 + END * 2,
        LOOP * 3 + "x" + END * 3,
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% for x in [1] recursive %}{{ loop([1, 2]) if loop.depth < 45 }}{% endfor %}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(45) }}",
        "{% macro f(x) %}{{ f([x, x]) }}{% endmacro %}{{ f([1]) }}",
        "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}",
        LOOP + "{{ range(99999) | list | length }}" + END,
        LOOP + "{{ range(99999) | shuffle | length }}" + END,
        LOOP + "{{ ([1] | slice(99999) | list) | length }}" + END,
        LOOP + "{{ ([1] | batch(99999, 'x') | list) | length }}" + END,
        "{% set d = dict(range(9999) | map('string') | batch(2)) %}" + LOOP + "{{ d.items() | list | length }}" + END,
    ],
    "giant texts": [
        "{{ 'x' * 10 ** 12 }}",
        "{{ 10 ** 12 * 'x' }}",
        "{{ [1] * 10 ** 12 }}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% set x = 'x' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60 + "{{ x }}",
        "{{ 'x' | center(10 ** 12) }}",
        "{{ 'x'.center(10 ** 12) }}",
        "{{ 'x'.ljust(10 ** 12) }}",
        "{{ 'x'.zfill(10 ** 12) }}",
        "{{ 'x\nx' | indent(10 ** 12) }}",
        "{{ ('x\n' * 9999) | indent(99999) }}",
        "{{ [1] | batch(10 ** 12, 'x') | list }}",
        "{{ [1] | slice(10 ** 12) | list }}",
        "{{ [1] | tojson(indent=10 ** 12) }}",
        "{{ [1, 2] | sample(10 ** 12) }}",
        X + "{{ x.replace('x', x) }}",
        X + "{{ x | replace('x', x) }}",
        X + "{{ x.replace('', x) }}",
        X + "{{ x.join(x) }}",
        X + "{{ x | join(x) }}",
        X + "{{ x | list | join(x) }}",
        X + "{{ [x] * 999 | join }}",
        X + "{{ x | map('replace', 'x', x) | join }}",
        X + LOOP + "{{ x }}" + END,
        "{{ ('x ' * 99999) | wordwrap(1, wrapstring='x' * 99999) }}",
    ],
    "work that one loop repeats": [
        X + LOOP + "{{ x.upper() == x }}" + END,
        X + LOOP + "{{ x[1:] | length }}" + END,
        X + LOOP + "{{ x | center(99999) | length }}" + END,
        LONG + LOOP + "{{ a == b }}" + END,
        LONG + LOOP + "{{ a in [b, b] }}" + END,
        LONG + LOOP + "{{ 'ab' in a }}" + END,
        LONG + LOOP + "{{ a is eq(b) }}" + END,
        LONG + LOOP + "{{ [a] | select('eq', b) | list }}" + END,
        LONG + LOOP + "{{ {a: 1}[b] is defined }}" + END,
        LONG + "{{ ([a, b] * 50000) | sort | length }}",
        LONG + "{{ ([a, b] * 50000) | unique | list | length }}",
        LONG + "{{ ([a, b] * 50000) | max }}",
        LONG + "{{ ([[a], [b]] * 50000) | groupby(0) | list | length }}",
        LONG + "{{ a.strip(b) }}",
        LONG + "{{ a | trim(b) }}",
        LONG + "{{ a.rfind(b[1:]) }}",
        TREE + LOOP + "{{ x == x }}" + END,
        TREE + LOOP + "{{ (x | string) | length }}" + END,
        TREE + LOOP + "{{ (x | tojson) | length }}" + END,
        "{% set t = (1,) %}" + "{% set t = (t, t) %}" * 17 + LOOP + "{{ {}[t] is defined }}{{ {t: 1} | length }}" + END,
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
        "{{ ('x' * 999999) | wordwrap(1) }}",
        "{{ ('-' * 999999) | wordwrap(9) }}",
        "{{ [text] | sort(attribute='a" + ".a" * 99 + "') }}",
    ],
    "big numbers": [
        "{{ 10 ** (10 ** 10) }}",
        "{{ (-10) ** 99999 }}",
        "{{ 2 ** (2 ** (2 ** 30)) }}",
        "{% set ns = namespace(s=2) %}{% for i in range(99) %}{% set ns.s = ns.s * ns.s %}{% endfor %}{{ ns.s }}",
        "{{ 0x" + "f" * 9999 + " // 3 }}",
        "{{ " + "9" * 9999 + " }}",
        "{{ ('1' * 999999) | int(base=2) }}",
        "{{ 1.5 | round(10 ** 12, 'ceil') }}",
        "{{ [[1], [2]] | sum(start=[]) }}",
        "{{ ['a'] | sum(start='') }}",
    ],
    "files": [
        "{% include 'm.jinja' %}",
        "{% include '/etc/passwd' %}",
        "{% include ['x', 'm.jinja'] ignore missing %}",
        "{% extends 'm.jinja' %}",
        "{% import text as m %}",
        "{% import 'm' ~ '.jinja' as m %}",
        "{% from text ~ '.jinja' import m %}",
        "{% import 'm.jinja' as m with context %}",
        "{% import ['m.jinja'][0] as m %}",
    ],
    "names of ours": [
        "{{ text | _own }}",
        "{{ text | _steps }}",
        "{{ 0phrasing }}",
        "{{ _phrasing }}",
        "{{ phrasing }}",
    ],
    "nesting": [
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% if text %}" * 500 + "{% endif %}" * 500,
        "{% for a in text %}" * 40 + "{% endfor %}" * 40,
        "{{ " + "[" * 900 + "]" * 900 + " }}",
        "{{ " + "not " * 3000 + "1 }}",
        "{{ " + "-" * 3000 + "1 }}",
        "{{ text" + ".a" * 3000 + " }}",
        "{{ text" + " | upper" * 3000 + " }}",
    ],
}  # fmt: skip
RULES = ("template_error", "output_too_long", "bad_tool_call", "bad_tools", "not_a_choice")
USER = "{% block user %}{{ text }}{% endblock %}"


@pytest.fixture(autouse=True)
def a_tenth_of_the_work(request, monkeypatch):
    """Bombs go off sooner, for the sake of these tests' time."""
    if "attack" in request.fixturenames or "schema" in request.fixturenames:
        monkeypatch.setattr("instructkit.templates.limits.MAX_WORK", MAX_WORK // 10)


def outcome(make, body, more=""):
    """The faults of a template, or what its row becomes."""
    source = USER + "{% block assistant %}" + body + "{% endblock %}"
    try:
        template = make(
            source, more=more, m="{% macro hello() %}hello{% endmacro %}{% macro _hidden() %}{% endmacro %}"
        )
    except TemplateFault as fault:
        return fault
    return template.render({"text": "some text"}, "id", 0)


def assert_refused(result):
    assert not isinstance(result, Rendered), result.turns[-1].content[:200]
    if isinstance(result, Refusal):
        assert result.rule in RULES
        assert re.match(r"(t|m)\.jinja(:\d+)?: ", result.detail), result.detail
        assert len(result.detail) < 1_200
    else:
        assert all(fault.file in ("t.jinja", "m.jinja") and fault.line for fault in result.faults), result


@pytest.mark.parametrize("attack", [pytest.param(a, id=f"{k}: {a[:60]}") for k, many in ATTACKS.items() for a in many])
def test_an_attack_is_refused_with_its_place(make, attack):
    assert_refused(outcome(make, attack))


WORDINGS = [a for kind in ("the class of a value, in every disguise", "giant texts", "files") for a in ATTACKS[kind]]


@pytest.mark.parametrize("attack", WORDINGS, ids=lambda a: a[:60])
def test_a_phrasing_can_do_no_more_than_a_block(make, attack):
    more = f"phrasings: [{msgspec.json.encode(attack).decode()}]\n"
    assert_refused(outcome(make, "{{ phrasing }}", more))


@pytest.mark.parametrize(
    "phrasings",
    [
        '["{% endblock %}{% block system %}x"]',
        '["{% if text %}"]',
        "['{% import \"m.jinja\" as m %}']",
        '["{% macro f() %}{% endmacro %}"]',
        '["{{ phrasing }}"]',
        '["{% set phrasing = 1 %}"]',
        '{"../x": a}',
        '{"a,options=letters": a}',
        '{"a@b": a}',
        "[" + ", ".join(f"w{i}" for i in range(101)) + "]",
        "[!!python/object/apply:os.system [ls]]",
        "[" * 2000,
        "&a [*a, *a]",
        '["{{ ' + "(" * 3000 + '"]',
        '["{{ ' + "9" * 9999 + ' }}"]',
    ],
    ids=lambda p: p[:50],
)
def test_front_matter_of_phrasings_is_refused(make, phrasings):
    assert_refused(outcome(make, "{{ phrasing }}", f"phrasings: {phrasings}\n"))


def test_a_file_longer_than_a_template_can_be_is_not_read(make):
    assert_refused(outcome(make, "{# " + "x" * 1_000_000 + " #}"))


def test_phrasings_in_many_places_blow_nothing_up(make):
    more = "phrasings: [" + ", ".join(f"w{i}" for i in range(100)) + "]\n"
    assert_refused(outcome(make, "{{ phrasing }}" * 1000, more))


@pytest.mark.parametrize(
    "more",
    [
        "license: !!python/object/apply:os.system [ls]\n",
        "weights: {assistant: !!float x}\n",
        "weights: {assistant: " + "9" * 9999 + "}\n",
        "weights: {assistant: .nan}\n",
        "weights: {assistant: 1e999}\n",
        "changes: " + "[" * 5000 + "\n",
        "changes: [&a x, *a]\n",
        "tests: [{given: {text: !!int x}, expect_drop: x}]\n",
        "choices: [a, !!binary eA==, {}]\n",
    ],
    ids=lambda m: m[:50],
)
def test_front_matter_is_refused(make, more):
    assert_refused(outcome(make, "{{ text }}", more))


BOMB = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(60)} | {"d60": {}}
SCHEMAS = {
    "looks a name up in the network": {"properties": {"a": {"$ref": "http://localhost:1/x.json"}}},
    "reads a file": {"$ref": "file:///etc/passwd"},
    "moves its own place": {"$id": "http://localhost:1/", "$ref": "#/x"},
    "doubles with each step": {"$defs": BOMB, "$ref": "#/$defs/d0"},
    "backtracks": {"properties": {"a": {"pattern": "^(?=(a+)+$)"}}},
    "backtracks over names": {"patternProperties": {"^(a+)+$": {}}},
    "is checked twice at each level": {"unevaluatedProperties": False},
    "is no schema": {"properties": {"a": {"type": "text"}}},
    "is nested deeply": msgspec.json.decode('{"not":' * 900 + "{}" + "}" * 900),
    "holds a number beyond JSON": {"maximum": 2**70},
    "repeats its message": {
        "$defs": {"a": {"anyOf": [{"required": ["x"]}] * 150}},
        "allOf": [{"$ref": "#/$defs/a"}] * 150,
    },
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_hostile_tool_is_refused_in_front_matter_and_in_data(make, schema):
    import json

    call = '{{ tool_call("f", {"a": "a" * 60 ~ "b"}) }}'
    tools = json.dumps([{"name": "f", "parameters": schema}])
    assert_refused(outcome(make, call, f"tools: {tools}\n"))
    body = "{% block assistant %}" + call + "{% endblock %}"
    result = make(body, inputs="[list]", more="tools: list\n").render({"list": json.loads(tools)}, "id", 0)
    assert result.rule in RULES


REFERENCES = {
    "refers to itself": {"$ref": "#"},
    "refers to itself over others": {
        "$defs": {"a": {"anyOf": [{}, {"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}},
        "properties": {"x": {"$ref": "#/$defs/a"}},
    },
    "refers to itself by its anchor": {"$anchor": "top", "allOf": [{"$ref": "#top"}]},
    "refers to nothing": {"$ref": "#/$defs/nothing"},
    "refers to nothing that is called": {"properties": {"a": {"$ref": "#/nope"}}},
    "refers to an anchor that is not there": {"$ref": "#nope"},
    "refers to what is no schema": {"default": {"patternProperties": {"^(a+)+$": {}}}, "$ref": "#/default"},
}


@pytest.mark.parametrize("schema", REFERENCES.values(), ids=REFERENCES)
def test_a_reference_that_leads_nowhere_is_refused_when_the_definition_is_read(make, schema):
    tools = [{"name": "f", "parameters": schema}]
    with pytest.raises(TemplateFault, match=r"'\$ref'"):
        make("{% block assistant %}{{ text }}{% endblock %}", more=f"tools: {msgspec.json.encode(tools).decode()}\n")
    template = make("{% block assistant %}x{{ text }}{% endblock %}", inputs="[text, list]", more="tools: list\n")
    result = template.render({"text": "a", "list": tools}, "id", 0)
    assert (result.rule, "'$ref'" in result.detail) == ("bad_tools", True)


def test_a_reference_to_the_whole_that_takes_a_step_into_the_value_is_fine(make):
    schema = {"properties": {"below": {"$ref": "#"}, "a~/b": {}, "c": {"$ref": "#/properties/a~0~1b"}}}
    more = f"tools: {msgspec.json.encode([{'name': 'f', 'parameters': schema}]).decode()}\n"
    call = '{{ tool_call("f", {"below": {"below": BELOW}}) }}'
    assert isinstance(outcome(make, call.replace("BELOW", "{}"), more), Rendered)


@pytest.mark.parametrize(
    "tools",
    [
        [{"name": f"f{i}"} for i in range(100_000)],
        [{"name": "same"}] * 100_000,
        [{"name": f"f{i}", "parameters": {"properties": {"a": {"type": "string"}}}} for i in range(4_000)],
        [{"name": "f", "parameters": {"properties": {f"a{i}": {"type": "string"} for i in range(10_000)}}}],
        [{"name": "f", "parameters": {"required": [f"a{i}" for i in range(100_000)]}}],
    ],
    ids=["many", "alike", "with parameters", "with many parameters", "with many names"],
)
def test_reading_the_tools_of_a_row_is_charged_to_the_row(make, tools):
    template = make("{% block assistant %}x{{ text }}{% endblock %}", inputs="[text, list]", more="tools: list\n")
    few = {"text": "a", "list": tools[:1] if len(tools) > 1 else [{"name": "f"}]}
    for _ in range(2):
        assert isinstance(template.render(few, "id", 0), Rendered)
        result = template.render({"text": "a", "list": tools}, "id", 0)
        assert (result.rule, "characters of work" in result.detail) == ("template_error", True)


def test_a_row_with_the_tools_of_the_row_before_costs_the_same(make):
    template = make("{% block assistant %}x{{ text }}{% endblock %}", inputs="[text, list]", more="tools: list\n")
    spent = []
    for i in range(3):
        assert isinstance(
            template.render({"text": "a", "list": [{"name": "f", "parameters": {}}]}, f"{i}", 0), Rendered
        )
        spent.append(template._budget.spent)
    assert len(set(spent)) == 1


def test_a_pattern_that_python_would_never_finish_is_checked_in_linear_time(make):
    more = 'tools: [{name: f, parameters: {properties: {a: {pattern: "^(a+)+$"}}}}]\n'
    call = '{{ tool_call("f", {"a": "a" * 5000 ~ "b"}) }}'
    assert outcome(make, call, more).rule == "bad_tool_call"
    assert isinstance(outcome(make, call.replace('"b"', '"a"'), more), Rendered)


@pytest.mark.parametrize(
    "call", ['tool_call("f", x)', 'tool_call("f", [x, x])', "tool_call(x)", 'tool_call("f", {"a": range})']
)
def test_hostile_arguments_are_refused(make, call):
    assert_refused(outcome(make, TREE + "{{ " + call + " }}", "tools: [{name: f}]\n"))


def test_many_calls_are_bounded(make):
    more = "tools: [{name: f, parameters: {properties: {a: {type: string}}}}]\n"
    assert_refused(outcome(make, LOOP + '{{ tool_call("f", {"a": text}) }}' + END, more))


@pytest.mark.parametrize("name", ["../m.jinja", "/etc/passwd", "a/../../m.jinja", "..\\\\m.jinja", "C:m.jinja", "link.jinja", "linked/m.jinja", "x" * 5000, "", ".", "a\\0b", "loop.jinja"])  # fmt: skip
def test_no_file_outside_of_the_folder_is_read(project, tmp_path, name):
    (tmp_path / "m.jinja").write_text("{% macro secret() %}secret{% endmacro %}")
    project.template(
        "t.jinja", "{% import '" + name + "' as m %}{% block assistant %}{{ text }}{{ m.secret() }}{% endblock %}"
    )
    (project.folder / "link.jinja").symlink_to(tmp_path / "m.jinja")
    (project.folder / "linked").symlink_to(tmp_path)
    (project.folder / "loop.jinja").symlink_to(project.folder / "loop.jinja")
    with pytest.raises(TemplateFault, match="no file"):
        project.find("t")


def test_files_that_import_each_other_many_times_are_read_once(project):
    for i in range(60):
        lines = [f"{{% import 'm{i + 1}.jinja' as {name} %}}" for name in "ab"] if i < 59 else []
        project.write(f"m{i}.jinja", "".join(lines) + "{% macro f() %}x{% endmacro %}")
    uses = "{% import 'm0.jinja' as m %}{% block assistant %}{{ text }}{{ m.f() }}{% endblock %}"
    project.template("t.jinja", uses)
    assert len(project.find("t")[0].sources) == 61


def test_a_drop_names_file_line_row_and_what_to_do():
    source = "---\nsummary: s\ntask: t\ninputs: [text]\n---\n{% block assistant %}\n{{ text }}\n{{ 'x' * 10 ** 12 }}{% endblock %}"
    stage = RenderTemplate(template="t", template_hash="h", sources={"t.jinja": source})
    document = Document(id="news-17", source="s", origin=Origin(file="f", line=3), text="a", group="g")
    (drop,) = stage.apply(frame(Document, [document])).dropped.to_dicts()
    assert (drop["id"], drop["template"], drop["rule"], drop["value"]) == (
        "news-17",
        "t",
        "template_error",
        "t.jinja:8",
    )
    assert drop["detail"].startswith("t.jinja:8: WorkExceeded: the row costs more than 200,000,000 characters of work")
    assert drop["detail"].endswith("loop over less, or cut the document into parts before rendering")


def test_a_row_after_a_refused_one_is_rendered_as_if_alone(make):
    template = make("{% block assistant %}{% for i in range(text) %}{{ 'x' * 9 }}{% endfor %}{% endblock %}")
    assert isinstance(template.said({"text": 10**9}), Refusal)
    assert template.said({"text": 1}) == [("assistant", "x" * 9)]


@pytest.mark.parametrize("body", ["{{ text }}\\ud800{{ '\\ud800' }}", "{{ '%c' % 55296 }}"])
def test_half_of_a_character_is_refused(make, body):
    assert_refused(outcome(make, body))


def test_a_message_of_the_greatest_length_passes_and_one_more_character_does_not(make):
    template = make("{% block assistant %}{{ text }}{% endblock %}")
    longest = "x" * MAX_MESSAGE_CHARACTERS
    assert template.said({"text": longest}) == [("assistant", longest)]
    refusal = template.said({"text": longest + "x"})
    assert (refusal.rule, refusal.value, refusal.threshold) == ("output_too_long", "1000001", "1000000")


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("{% for line in text.split('\n') %}{{ loop.index }} {{ line|upper }}\n{% endfor %}", "50000 WORD"),
        ("{{ text.split('\n') | unique | sort | join }}", "word"),
        ("{% if 'wor' in text and text != 'word' %}{{ text[-4:] | trim }}{% endif %}", "word"),
        ("{{ text | wordwrap(20) | replace('or', 'ar') }}", "ward"),
    ],
)
def test_honest_work_on_a_long_text_is_within_the_bounds(make, body, end):
    result = make("{% block assistant %}" + body + "{% endblock %}").said({"text": "\n".join(["word"] * 50_000)})
    assert result[0][1].endswith(end)
