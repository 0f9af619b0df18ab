"""Every construct of promptsource's templates, converted, and compared with plain Jinja on rows of many kinds."""

import pytest

from instructkit.templates.cases import run_tests
from instructkit.templates.promptsource.convert import convert
from instructkit.templates.template import from_sources

CONSTRUCTS = {
    "separator in the text": ("Name a dish of {{country}}. ||| {{dish}}", None),
    "blank lines and indents": ("\n\n  Cook:\n\n    {{dish}}\n  now\n|||\n\n{{country}}\n", None),
    "tags on lines of their own": ("A\n  {% if dish %}\n  yes {{dish}}\n  {% endif %}\nB\n|||\n{{country}}", None),
    "minus signs": ("A\n{%- if dish -%}\n  {{- dish -}}  \n{%- endif %}\n B ||| {{ country }}", None),
    "fixed choices": ("Is {{dish}} good? ||| {{ answer_choices[label] }}", "no ||| yes"),
    "fixed choices beside a column called choices": ("{{choices}} {{dish}}|||{{answer_choices[label]}}", "no ||| yes"),
    "choices twice the same": ("{{dish}} ||| {{answer_choices[label]}}", "yes ||| yes"),
    "choices of a column": (
        "{{dish}}: {{answer_choices | join(', ')}} ||| {{answer_choices[label]}}",
        "{{opts|join('|||')}}",
    ),
    "choices of several columns": ("{{dish}} ||| {{answer_choices[label]}}", "{{a}} ||| no {{ b | lower }}"),
    "choices of a loop": (
        "{{dish}} ||| {{answer_choices[label]}}",
        "{% for o in opts %}{{o}}{% if not loop.last %}|||{% endif %}{% endfor %}",
    ),
    "condition around everything": ("{% if label != -1 %}{{dish}} ||| {{country}}{% endif %}", None),
    "condition around everything, with else": ("{% if label == 1 %}{{dish}}|||{{country}}{% else %}x{% endif %}", None),
    "two conditions, one in the other": (
        "{% if label >= 0 %}{% if label < 2 %}{{dish}} ||| {{country}}{% endif %}{% endif %}",
        None,
    ),
    "separator in both branches": (
        "Say: {% if label == 1 %}{{dish}} ||| {{country}}{% else %}{{country}} ||| {{dish}}{% endif %} !",
        None,
    ),
    "separator in elif": ("{% if label == 0 %}none{% elif label == 1 %}{{dish}} ||| {{country}}{% endif %}", None),
    "text after the condition": ("{% if label %}{{dish}} ||| {{country}}{% endif %} tail", None),
    "answer in conditions": ("{{dish}} ||| {% if label == 0 %}A{% elif label == 1 %}B{% endif %}", None),
    "variable for both": ("{% set n = dish | upper %}{{n}}? ||| {{n}}, {{country}}", None),
    "variable that changes": ("{% set n = dish %}{{n}} {% set n = country %}{{n}} ||| {{n}}", None),
    "variable set in branches": (
        "{% if label %}{% set n = dish %}{% else %}{% set n = country %}{% endif %}\nOf {{n}}, {{dish}} ||| {{n}}",
        None,
    ),
    "column set anew": ("{{dish}}{% set dish = dish | upper %} {{dish}} ||| {{dish}} {{country}}", None),
    "macro for both": ("{% macro q(x) %}«{{x}}»{% endmacro %}{{q(dish)}} ||| {{q(country)}}", None),
    "set with a body": ("{% set both %}{{dish}} - {{country}}{% endset %}{{both}} ||| {{both | length}}", None),
    "loop": ("{% for s in steps %}\n- {{ loop.index }} {{s}}\n{% endfor %} how? ||| {{dish}}", None),
    "loop with a filter": ("{% for s in steps if s != steps[0] %}{{s}};{% endfor %} {{dish}} ||| {{country}}", None),
    "namespace": (
        "{% set ns = namespace(n=0) %}{% for s in steps %}{% set ns.n = ns.n + 1 %}{% endfor %}{{dish}}? ||| {{ns.n}}",
        None,
    ),
    "namespace that a loop prints": (
        "{% set c = namespace(n=0) %}{% for s in steps %}{% set c.n = c.n + 1 %}{{c.n}} {{s}} {% endfor %}|||{{c.n}}",
        None,
    ),
    "append": (
        "{% set l = [] %}{% for s in steps %}\n{{l.append(s|upper) or ''}}\n{% endfor %}\n{{dish}}|||{{l|join(', ')}}",
        None,
    ),
    "append in the middle of a text": (
        "Of\n{% set l = [] %}{% for s in steps %}\n {{l.append(s)|default('', true)}}\n{% endfor %}{{dish}}|||{{l[0]}}",
        None,
    ),
    "append that prints None": ("{% set l = [] %}{{ l.append(dish) }} {{l[0]}} ||| {{country}}", None),
    "zip": ("{% for s, t in zip(steps, times) %}{{s}}: {{t}}\n{% endfor %}{{dish}} ||| {{country}}", None),
    "draw in the prompt": ("{{ ['Cook', 'Make'] | choice }} {{dish}} ||| {{country}}", None),
    "draw for both": ("{% set p = [0, 1] | choice %}{{ [dish, country][p] }} or? ||| {{ p }}", None),
    "draw by jinja's random": ("{{ steps | random() }} of {{dish}} ||| {{country}}", None),
    "draw that decides": ("{% if range(0, 2) | choice %}{{dish}} ||| A{% else %}{{country}} ||| B{% endif %}", None),
    "most frequent": ("{{dish}} ||| {{ steps | most_frequent | choice }}", None),
    "attributes and subscripts": ("{{ meta.by }} {{ meta['of it'] }} {{ lines.0 }} ||| {{ meta.names[1] }}", None),
    "items of a dictionary": ("{% for k, v in table.items() %}{{k}}={{v}} {% endfor %} {{dish}} ||| {{country}}", None),
    "methods of texts": ("{{ dish.strip().lower().replace('a', 'o') }} ||| {{ country.split(' ')[0] }}", None),
    "texts that look like tags": ("{% raw %}{{ {% {# {% endraw %}{{dish}} ||| {{ '{{' }}{{country}}", None),
    "comments": ("{# why #}{{dish}}{# and\nmore #} ||| {{country}}", None),
    "empty column asked about": ("{% if hint %}Hint: {{hint}}\n{% endif %}{{dish}} ||| {{country}}", None),
    "column compared with nothing": ("{% if hint != '' %}{{hint}} {% endif %}{{dish}} ||| {{country}}", None),
    "looked for in a list that may be empty": ("{{dish}} ||| {% if label in steps %}A{% else %}B{% endif %}", None),
    "list that may be empty": ("{{dish}}|||{% if (steps|length) == 0 %}none{% else %}{{ steps[0] }}{% endif %}", None),
    "variable set on one way only": ("{% if label %}{% set n = dish %}{% endif %}{{n}} {{dish}} ||| {{country}}", None),
    "slice, format, round": ("{{ dish[:5] }} {{ '%.1f' | format(score | float) }} ||| {{ score | round }}", None),
}  # fmt: skip


@pytest.mark.parametrize("what", CONSTRUCTS)
def test_a_construct_renders_as_in_promptsource(what, original, verdict, rows_of):
    jinja, choices = CONSTRUCTS[what]
    source = original(jinja, choices)
    done = convert(source, "kitchen/t")
    assert done.text is not None, f"{done.reason}: {done.detail}"
    verdicts = [verdict(source, done.text, row) for row in rows_of(source)]
    assert set(verdicts) <= {"same", "dropped"}, next(v for v in verdicts if v not in ("same", "dropped"))
    assert verdicts.count("same") >= 6
    assert all(result.passed for result in run_tests(from_sources("a/b", {"a/b.jinja": done.text})))
    assert done.tests


@pytest.mark.parametrize(
    ("jinja", "reason"),
    [
        ("Only a prompt about {{dish}}", "no separator"),
        ("{{dish}} ||| a ||| {{country}}", "several separators"),
        ("{% if a %}{{dish}} ||| x{% endif %} ||| {{country}}", "several separators"),
        ("{% for s in steps %}{{s}} ||| {% endfor %}{{dish}}", "separator inside of a loop or macro"),
        ("{{ steps | join('|||') }}", "separator inside of an expression"),
        ("{{ dish ||| {{country}}", "not a Jinja template"),
        ("{% include 'other' %} {{dish}} ||| {{country}}", "uses 'include'"),
        ("{{ steps.pop() }} ||| {{country}}", "changes a list while it prints"),
        ("{{ steps.append(1) or '' }}{{ steps }} ||| {{country}}", "changes a list of the row"),
        ("{{ '{}'.format(dish) }} ||| {{country}}", "uses a method that templates may not"),
        ("{{ dish | shout }} ||| {{country}}", "no such filter or test"),
        ("{{ dish | urlencode }} ||| {{country}}", "uses what templates may not"),
        ("{{ _dish }} ||| {{country}}", "a column whose name no input can have"),
        ("A fixed prompt ||| a fixed answer", "reads nothing of the row"),
        ("{{ dict(zip(a, b))[dish] }} ||| {{country}}", "uses 'zip' outside of a loop over two lists"),
    ],
)
def test_what_cannot_be_converted_says_why(jinja, reason, original):
    done = convert(original(jinja), "kitchen/t")
    assert (done.text, done.reason) == (None, reason)


def test_a_hostile_original_is_not_run_and_not_written(original, tmp_path):
    victim = tmp_path / "victim"
    code = f"__import__('pathlib').Path({str(victim)!r}).touch()"
    done = convert(original("{{ dish.__class__.__mro__[1].__subclasses__() }}" + code + " ||| {{country}}"), "a/b")
    assert done.text is None
    done = convert(
        original("{% for i in range(99999) %}{% for j in range(99999) %}{{i}}{% endfor %}{% endfor %}|||{{x}}"), "a"
    )
    assert done.text is None
    assert not victim.exists()


def test_metadata_is_kept(original):
    done = convert(
        original(
            "{{dish}} ||| {{ answer_choices[label] }}",
            "no ||| yes",
            name="is_it good?",
            reference="Cook &  Book, 2021",
            metadata={"metrics": ["ROUGE", "AUC"], "languages": ["en", "fr"]},
        ),
        "kitchen/t",
    )
    front = from_sources("a/b", {"a/b.jinja": done.text}).front
    assert front.summary == "Is it good? (kitchen)."
    assert front.source == (
        'promptsource, kitchen, "is_it good?" (id 00000000-0000-0000-0000-000000000000); Cook & Book, 2021'
    )
    assert (front.license, front.task, front.languages) == ("Apache-2.0", "classification", ["en", "fr"])
    assert (front.choices, front.targets, front.metrics) == (["no", "yes"], ["label"], ["rouge1", "rouge2", "rougeL"])
    assert done.warnings == ["metric 'AUC' has no counterpart here"]


def test_warnings_name_draws_leaks_and_the_documents_own_names(original):
    done = convert(original("{{ ['a', 'b'] | choice }} {{text}} {{dish}} ||| {{dish}}"), "a/b")
    assert [warning.split(":")[0] for warning in done.warnings] == [
        "draws at random",
        "input 'text' is the document's own text here; give a column of that name another at ingest",
        "the answer stands in the prompt",
    ]


def test_conversion_is_the_same_each_time(original):
    source = original("{{ ['a', 'b'] | choice }} {{dish}} ||| {{country}}")
    assert convert(source, "a/b") == convert(source, "a/b")


def test_the_independent_renderer_does_as_promptsource(plain, monkeypatch):
    """Expected by hand, from promptsource's own rules."""
    pair = plain.Plain("{{a}} {% if b %} {{ answer_choices[1] }}{% endif %} ||| {{ c }}", "x ||| {{b}} ")
    assert pair.all({"a": " q|||r ", "b": " y", "c": "z"}, monkeypatch) == ({("q|||r   y", "z")}, False)
    assert plain.Plain("{{a}}").all({"a": "q"}, monkeypatch) == (set(), True)
    assert plain.Plain("{{a}} ||| {{missing}}x").all({"a": "q"}, monkeypatch) == ({("q", "x")}, True)
    drawn = plain.Plain("{{ [1, 2] | choice }} ||| {{ [3, 4] | choice }}").all({}, monkeypatch)
    assert drawn == ({("1", "3"), ("1", "4"), ("2", "3"), ("2", "4")}, False)
