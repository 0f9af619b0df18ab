import pytest

from instructkit.templates.cases import run_tests
from instructkit.templates.template import from_sources

SOURCE = """---
summary: s
task: t
inputs: [text]
tests:
  - {test}
---
{{% block user %}}Say {{{{ text }}}}{{% endblock %}}
{{% block assistant %}}{{{{ text | upper }}}} {{{{ text }}}}{{% endblock %}}
"""


def run(test):
    (result,) = run_tests(from_sources("t", {"t.jinja": SOURCE.format(test=test)}))
    return result


@pytest.mark.parametrize(
    "test",
    [
        "{given: {text: a}, expect: [{role: user, content: Say a}, {role: assistant, content: A a}]}",
        '{given: {text: a}, expect: [{role: user, content: "Say a\\n"}, {role: assistant, content: A a}]}',
        "{given: {}, expect_drop: missing_input}",
        "{given: {text: 1}, expect: [{role: user, content: Say 1}, {role: assistant, content: 1 1}]}",
    ],
)
def test_a_test_that_holds_passes(test):
    assert run(test).passed


def test_a_failed_test_shows_expected_and_rendered_line_by_line():
    result = run(
        "{name: shout, given: {text: 'a '}, expect: [{role: user, content: Say a}, {role: assistant, content: A}]}"
    )
    assert not result.passed
    assert result.test == "shout"
    assert result.difference.split("\n") == [
        "--- expected", "+++ rendered", "@@ -2,3 +2,3 @@", " Say a", " [assistant]", "-A", "+A  a",
    ]  # fmt: skip


INDENTED = "---\nsummary: s\ntask: t\ninputs: [text]\ntests:\n  - given: {text: '  a'}\n    expect:\n"


@pytest.mark.parametrize(
    ("content", "passes"),
    [("'  a'", True), ("'a'", False), ("'   a'", False), ("|2-\n            a", True), ("|2\n            a\n", True),
     ("|2+\n            a\n\n", False), ("'  a '", False), ("'  a·'", False)],
)  # fmt: skip
def test_contents_are_compared_to_the_last_space(content, passes):
    source = f"{INDENTED}      - role: assistant\n        content: {content}\n---\n"
    (result,) = run_tests(from_sources("t", {"t.jinja": source + "{% block assistant %}{{ text }}{% endblock %}"}))
    assert result.passed == passes


def test_a_content_that_looks_like_two_turns_is_none():
    result = run('{given: {text: a}, expect: [{role: user, content: "Say a\\n[assistant]\\nA a"}]}')
    assert not result.passed


def test_spaces_at_the_ends_of_lines_are_shown():
    result = run(
        '{given: {text: "a \\nb"}, expect: [{role: user, content: "Say a\\nb"}, {role: assistant, content: x}]}'
    )
    assert "+Say a·" in result.difference


def test_a_drop_instead_of_messages_is_shown_with_its_detail():
    result = run("{given: {}, expect: [{role: user, content: Say}]}")
    assert "+[drop] missing_input" in result.difference
    assert "needs 'text'" in result.difference
    assert "-[drop] empty_answer" in run("{given: {}, expect_drop: empty_answer}").difference
