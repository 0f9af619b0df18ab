import pytest

from instructkit.templates.lint.run import lint

AFTER = "{% endblock %}\n{% block assistant %}{{ title }}{% endblock %}"


@pytest.mark.parametrize(
    "words", ["Read this. \nThen {{ text }}", "Read {{ text }} \nand answer", "Read\t\n{{ text }}", "读　\n{{ text }}"]
)
def test_white_space_that_stays_in_a_message(rules, words):
    assert "trailing_space" in rules(
        "{% block user %}" + words + AFTER, languages="[en, zh]" if "读" in words else "[en]"
    )


@pytest.mark.parametrize(
    "words",
    [
        "Read this.\nThen {{ text }}",
        "Read {{ text }}  ",
        "Read {{ text }} \n  \n",
        "Read {{ text }}\n",
        "  \nRead {{ text }}",
        "Read{% if text %} {{ text }}{% endif %}",
        "Read {# not printed   \n #}{{ text }}",
        "Read {{ [text,   \n text] | first }}",
    ],
)
def test_white_space_that_does_not(rules, words):
    assert rules("{% block user %}" + words + AFTER) == []


def test_the_place_is_that_of_the_white_space(template):
    (finding,) = lint([template("{% block user %}\nOne.\nTwo. \n{{ text }}" + AFTER)]).findings
    assert (finding.rule, finding.line, finding.column) == ("trailing_space", 11, 5)


@pytest.mark.parametrize(
    ("phrasings", "lines"),
    [
        (r'["Say it   \n{{ text }}", "Repeat it\n{{ text }}"]', [8]),
        ("\n  - Say {{ text }}\n" + r'  - "First\nsay it   \nthen {{ text }}"', [10]),
        ("\n  - Say {{ text }}\n  - |\n    First\n    say it   \n    then {{ text }}", [12]),
        (r'["Say it\n{{ text }}", "Repeat it:   {{ text }}"]', []),
    ],
)
def test_white_space_inside_of_a_phrasing_is_told_of_at_its_line(template, phrasings, lines):
    asked = "{% block user %}{{ phrasing }}" + AFTER
    findings = lint([template(asked, phrasings=phrasings)]).findings
    assert [each.line for each in findings if each.rule == "trailing_space"] == lines
