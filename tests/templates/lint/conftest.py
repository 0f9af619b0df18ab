"""Templates from their body and a few keys, linted."""

import pytest

from instructkit.templates.lint.run import lint
from instructkit.templates.template import from_sources

CLEAN = {
    "summary": "Ask for a title.",
    "task": "titles",
    "inputs": "[text, title]",
    "languages": "[en]",
    "license": "CC0-1.0",
    "tests": "[{given: {text: The moon pulls the sea., title: Tides}, expect: [{role: user, content: x}]}]",
}
BODY = (
    "{% block user %}\nGive this a title:\n{{ text }}\n{% endblock %}\n{% block assistant %}{{ title }}{% endblock %}"
)


@pytest.fixture
def template():
    """A template that is clean but for what is given: a body, and keys of the front matter as YAML; None: left out."""

    def of(body=BODY, name="t", **keys):
        head = "".join(f"{key}: {value}\n" for key, value in {**CLEAN, **keys}.items() if value is not None)
        return from_sources(name, {f"{name}.jinja": f"---\n{head}---\n{body}\n"})

    return of


@pytest.fixture
def found(template):
    """Findings in such a template, as (rule, message); `rows` are rendered beside its tests."""

    def of(body=BODY, rows=(), **keys):
        return [(each.rule, each.message) for each in lint([template(body, **keys)], rows={"t": rows}).findings]

    return of


@pytest.fixture
def rules(found):
    """Rules that find something in such a template, each once, in the order of the places."""

    def of(body=BODY, rows=(), **keys):
        return list(dict.fromkeys(rule for rule, _ in found(body, rows, **keys)))

    return of
