import pytest

USER = "{% block user %}"
ANSWER = "{% endblock %}{% block assistant %}{{ title }}{% endblock %}"


@pytest.mark.parametrize(
    "keys",
    [
        {"summary": "TODO say what it asks for."},
        {"body": USER + "TODO {{ text }}" + ANSWER},
        {"body": USER + "{{ 'Lorem ipsum' }} {{ text }}" + ANSWER},
    ],
)
def test_what_a_draft_left_behind(rules, keys):
    assert rules(**keys) == ["placeholder"]


def test_a_word_that_only_begins_so_is_no_placeholder(rules):
    assert rules(USER + "Todo lists: {{ text }}" + ANSWER) == []


@pytest.mark.parametrize("tests", [None, "[]", "[{given: {text: a}, expect_drop: missing_input}]"])
def test_no_test_that_shows_messages(rules, tests):
    assert rules(tests=tests) == ["missing_tests"]


@pytest.mark.parametrize(
    "summary",
    ["Ask for a title", "Ask for a title. Or for two.", "Ask. " * 40, '"Ask\\nfor a title."', "写标题。写内容。"],
)
def test_a_summary_that_is_no_sentence(rules, summary):
    assert rules(summary=summary) == ["summary_form"]


@pytest.mark.parametrize(
    "summary",
    [
        "Ask for a title.",
        "Ask, e.g. in English, for a title.",
        "为文章写一个标题。",
        "Which title?",
        "\"Ask for a 'title.'\"",
    ],
)
def test_a_summary_of_one_sentence(rules, summary):
    assert rules(summary=summary) == []


@pytest.mark.parametrize("license_", [None, "Creative Commons", "Apache 2.0", "MIT and BSD", "(MIT"])
def test_a_license_that_no_machine_reads(rules, license_):
    assert rules(license=license_) == ["missing_license"]


@pytest.mark.parametrize(
    "license_", ["CC0-1.0", "MIT OR Apache-2.0", "GPL-2.0+ WITH Classpath-exception-2.0", "LicenseRef-ours"]
)
def test_spdx_expressions(rules, license_):
    assert rules(license=license_) == []
