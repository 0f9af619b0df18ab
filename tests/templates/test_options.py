# ruff: noqa: E501 (faults as one line each)
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.errors import TemplateFault
from instructkit.templates.options import ANY_LANGUAGE, FORMATS, label_of

CHOICES = "choices: [negative, positive]\n"
BODY = "{% block user %}{{ choices | options }}{% endblock %}{% block assistant %}{{ text | option(choices) }}{% endblock %}"


@pytest.mark.parametrize(
    ("name", "first", "option", "label"),
    [
        ("letters", "A. negative", "B. positive", "B"),
        ("letters_bracket", "A) negative", "B) positive", "B"),
        ("parentheses", "(A) negative", "(B) positive", "B"),
        ("brackets", "[A] negative", "[B] positive", "B"),
        ("lowercase", "a) negative", "b) positive", "b"),
        ("numbers", "1. negative", "2. positive", "2"),
        ("numbers_bracket", "1) negative", "2) positive", "2"),
        ("dashes", "- negative", "positive", "positive"),
        ("stars", "* negative", "positive", "positive"),
        ("letters_zh", "A、negative", "B、positive", "B"),
        ("parentheses_zh", "（A）negative", "（B）positive", "B"),
        ("numbers_zh", "1、negative", "2、positive", "2"),
    ],
)
def test_options_are_written_in_the_rows_format_and_recorded(make, name, first, option, label):
    template = make(BODY + '{% block user_2 %}{{ text | option(choices, "label") }}{% endblock %}', more=CHOICES)
    result = template.render({"text": "positive"}, "id", 0, options=name)
    shown, answer, last = [turn.content for turn in result.turns]
    assert shown.split("\n")[0] == first
    assert (answer, last, result.variant) == (option, label, f"options={name}")


def test_every_format_is_in_the_table_above():
    assert len(FORMATS) == 12


def test_a_row_has_one_format_in_all_turns_and_rows_differ(make):
    template = make(BODY, more=CHOICES)
    drawn = Counter()
    for i in range(900):
        result = template.render({"text": "positive"}, str(i), 0)
        shown, answer = (turn.content for turn in result.turns)
        style = result.variant.removeprefix("options=")
        assert result == template.render({"text": "positive"}, str(i), 5, options=style)
        assert answer in shown
        drawn[style] += 1
    assert set(drawn) == set(ANY_LANGUAGE)
    assert all(60 < count < 140 for count in drawn.values())


def test_formats_to_draw_from_can_be_named_once_for_all_turns(make):
    body = BODY.replace("| options", '| options("dashes", "letters")')
    for turned in (
        body,
        "{% block assistant %}" + body.split("{% block assistant %}")[1] + body.split("{% block assi")[0],
    ):
        template = make(turned, more=CHOICES)
        drawn = {template.render({"text": "positive"}, str(i), 0).variant for i in range(40)}
        assert drawn == {"options=dashes", "options=letters"}


def test_formats_of_one_language_are_drawn_where_they_are_named_only(make):
    assert set(FORMATS) - set(ANY_LANGUAGE) == {"letters_zh", "parentheses_zh", "numbers_zh"}
    template = make(BODY.replace("| options", '| options("letters_zh", "letters")'), more=CHOICES)
    drawn = {template.render({"text": "positive"}, str(i), 0).variant for i in range(40)}
    assert drawn == {"options=letters_zh", "options=letters"}


def test_a_row_without_options_has_no_variant(make):
    body = "{% block user %}{% if text == 'a' %}{{ choices | options }}{% else %}x{% endif %}{% endblock %}"
    template = make(body + "{% block assistant %}b{% endblock %}", more=CHOICES)
    assert template.render({"text": "b"}, "id", 0).variant is None
    assert template.render({"text": "a"}, "id", 0).variant.startswith("options=")


def test_both_draws_stand_in_the_variant(make):
    body = "{% block user %}{{ phrasing }}{% endblock %}{% block assistant %}b{% endblock %}"
    template = make(body, more=CHOICES + 'phrasings: ["{{ text }}: {{ choices | options }}", "{{ text }}"]\n')
    assert template.render({"text": "b"}, "id", 0, "1", "stars").variant == "phrasing=1,options=stars"
    assert template.render({"text": "b"}, "id", 0, "2").variant == "phrasing=2"


def test_choices_may_be_the_list_of_an_input(make):
    for name in ("answers", "choices"):
        template = make(BODY, inputs=f"[text, {name}]", more=f"choices: {name}\n")
        said = template.said({"text": "b", name: ["a", "b"]}, options="letters")
        assert said == [("user", "A. a\nB. b"), ("assistant", "B. b")]
        for wrong in ("ab", [1, 2], {"a": 1}):
            assert template.said({"text": "b", name: wrong})[:2] == ("wrong_type", name)


def test_an_answer_that_is_no_choice_is_a_drop_of_its_own(make):
    refusal = make(BODY, more=CHOICES).render({"text": "neutral"}, "id", 0)
    assert refusal[:2] == ("not_a_choice", "neutral")
    assert refusal.detail == "t.jinja:7: 'neutral' is none of the choices: negative, positive"


def test_a_shuffled_list_keeps_its_labels(make):
    body = "{% set shown = choices | shuffle %}" + BODY.replace("choices", "shown")
    template = make(body, more=CHOICES)
    answers = {template.said({"text": "positive"}, str(i), options="letters")[1][1] for i in range(20)}
    assert answers == {"A. positive", "B. positive"}


@pytest.mark.parametrize(
    ("body", "more", "fault"),
    [
        (BODY.replace("| options", '| options("leters")'), CHOICES, "t.jinja:7:39: no format of options is called 'leters'; did you mean 'letters'?"),
        (BODY.replace("| options", "| options(text)"), CHOICES, "t.jinja:7:30: options: formats are named by plain strings"),
        (BODY + '{% block user_2 %}{{ choices | options("dashes") }}{{ choices | options("stars") }}{% endblock %}', CHOICES, "name the same everywhere"),
        (BODY, "choices: [a]\n", "t.jinja:5:1: choices: 1 of them; there must be two"),
        (BODY, "choices: [a, b, a]\n", "t.jinja:5:1: choices: 'a' stands there twice"),
        (BODY, "choices: txt\n", "t.jinja:5:1: choices: no input is called 'txt'; did you mean 'text'?"),
        (BODY, "", "uses 'choices', which is not in inputs [text]; the answers to choose from come with"),
        (BODY.replace("| options", "| options('dashes')"), CHOICES + "tests: [{given: {}, options: letters, expect_drop: x}]\n", "t.jinja:6:21: test names options 'letters', which the template never draws; it draws from: dashes"),
        (BODY, CHOICES + "tests: [{given: {}, options: letter, expect_drop: x}]\n", "t.jinja:6:21: test names options 'letter'; there are: letters, "),
    ],
)  # fmt: skip
def test_a_fault_says_where_and_what(make, body, more, fault):
    with pytest.raises(TemplateFault) as raised:
        make(body, more=more)
    assert any(fault in str(f) for f in raised.value.faults), raised.value


def test_an_input_may_not_be_called_choices_beside_the_key(make):
    with pytest.raises(TemplateFault, match="'choices' is a variable of its own"):
        make(BODY, inputs="[text, choices]", more=CHOICES)


@pytest.mark.parametrize("choices", ["[]", "[1, 2]", "text", "none"])
def test_options_of_anything_but_texts_are_an_error(make, choices):
    template = make("{% block assistant %}{{ text }}{{ " + choices + " | options }}{% endblock %}")
    assert template.said({"text": ["a"] if choices != "text" else 7}).rule == "template_error"


@given(st.sets(st.integers(0, 20_000), min_size=2), st.sampled_from(["A", "a", "1"]))
def test_labels_differ_and_count_as_a_spreadsheet_does(numbers, labels):
    assert len({label_of(number, labels) for number in numbers}) == len(numbers)
    assert [label_of(n, "A") for n in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
