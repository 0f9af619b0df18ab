"""Templates from text, for the tests of this folder."""

import pytest

from instructkit.templates.library import find_templates
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import from_sources
from instructkit.templates.turns import Refusal

HEAD = "---\nsummary: A test.\ntask: test\ninputs: {inputs}\n{more}---\n"


class Speaking(Compiled):
    """A compiled template that can be asked for roles and contents alone."""

    def said(self, values, example_id="id", seed=0, **chosen):
        """(role, content) of each turn, or the refusal."""
        result = self.render(values, example_id, seed, **chosen)
        return result if isinstance(result, Refusal) else [turn[:2] for turn in result.turns]


@pytest.fixture(scope="session")
def make():
    """A compiled template from its body; imported files by name, further lines of the front matter as `more`."""

    def of(body, inputs="[text]", more="", **imported):
        sources = {"t.jinja": HEAD.format(inputs=inputs, more=more) + body}
        sources |= {f"{name}.jinja": text for name, text in imported.items()}
        return Speaking(from_sources("t", sources))

    return of


@pytest.fixture
def project(tmp_path):
    """Writes files into a template folder and loads what a pattern names."""

    class Project:
        folder = tmp_path / "templates"

        def write(self, name, text):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return path

        def template(self, name, body="{% block assistant %}{{ text }}{% endblock %}", inputs="[text]"):
            return self.write(name, HEAD.format(inputs=inputs, more="") + body)

        def find(self, *patterns):
            return find_templates(list(patterns), [self.folder])

    return Project()
