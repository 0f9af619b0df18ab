import pytest

LONG = "The moon pulls the sea, and so the tides come and go twice a day."
SHORT = "Tides"


def body(prompt, answer="{{ title }}"):
    return f"{{% block user %}}{prompt}{{% endblock %}}{{% block assistant %}}{answer}{{% endblock %}}"


@pytest.mark.parametrize(
    "prompt",
    [
        "Give it a title: {{ text }} {{ title }}",
        "{{ text }}{% if text %}Hint: {{ title | upper }}{% endif %}",
        "{{ text }} {{ 'Hint: ' ~ title }}",
        "{% set hint = title.strip() %}{{ text }} {{ hint }}",
        "{{ text }} {{ [title, 'none'] | choice }}",
    ],
)
def test_the_input_that_is_the_answer_printed_in_the_prompt(found, prompt):
    ((rule, message),) = found(body(prompt))
    assert rule == "answer_in_prompt"
    assert "block 'user' prints 'title', which block 'assistant' answers with" in message


@pytest.mark.parametrize(
    "prompt",
    [
        "Give it a title of {{ title | length }} letters: {{ text }}",
        "{% if title %}Give it a title:{% endif %} {{ text }}",
        "It begins with {{ title[:1] }}: {{ text }}",
        "{{ text | replace(title, '…') }}",
    ],
)
def test_what_tells_of_the_answer_without_saying_it(rules, prompt):
    assert rules(body(prompt)) == []


def test_the_keys_of_an_object_may_be_asked_for(rules):
    asked = body("Find {{ title | join(', ') }} in {{ text }}.", "{{ title | tojson }}")
    assert rules(asked, targets="[title]", inputs="{text: , title: {type: object}}", tests="[]") == ["missing_tests"]
    assert rules(asked, targets="[title]", tests="[]") == ["missing_tests", "answer_in_prompt"]


def test_declared_targets_count_and_nothing_else(rules):
    asked = body("Correct {{ text }} ({{ title }})", "{{ title }}: {{ text }}")
    assert rules(asked) == []
    assert rules(asked, targets="[title]") == ["answer_in_prompt"]
    assert rules(body("Correct: {{ text }}", "{{ title }}: {{ text }}"), targets="[title]") == []


@pytest.mark.parametrize(
    "prompt",
    [
        "{% macro s(q) %}{{ q }}{% endmacro %}{% block user %}{{ text }} {{ s(title) }}",
        "{% macro s(q) %}{{ q }}{% endmacro %}{% block user %}{{ text }} {{ s(q=title) }}",
        "{% macro s() %}{{ title }}{% endmacro %}{% block user %}{{ text }} {{ s() }}",
        "{% set h %}{{ title }}{% endset %}{% block user %}{{ text }} {{ h }}",
        "{% if text %}{% set h = title %}{% endif %}{% block user %}{{ text }} {{ h }}",
        "{% block user %}{{ text }}{% for x in [text, title] %}{{ x }}{% endfor %}",
        "{% block user %}{{ text }}{% for a, b in [(text, title)] %}{{ b }}{% endfor %}",
        "{% block user %}{{ text }}{% for word in title.split() %}{{ word }}{% endfor %}",
        "{% block user %}{{ text }}{% with q=title %}{{ q }}{% endwith %}",
        "{% block user %}{{ text }}{% set h %}{{ title }}{% endset %}{{ h }}",
        "{% block user %}{{ text }}{% set ns = namespace(x='') %}{% set ns.x = title %}{{ ns.x }}",
        "{% block user %}{{ text }}{% filter upper %}{{ title }}{% endfilter %}",
        "{% block user %}{{ text }} {{ title[:5] }}",
        '{% block user %}{{ text.replace("a", title) }}',
        '{% block user %}{{ text }} {{ "%s" % title }}',
        '{% block user %}{{ text }} {{ "%s" | format(title) }}',
        '{% block user %}{{ text }} {{ text and title or "none" }}',
        '{% block user %}{{ text }} {{ {"a": title} | tojson }}',
    ],
)
def test_a_declared_target_that_reaches_the_prompt_on_a_detour(rules, prompt):
    answer = "{% endblock %}{% block assistant %}{{ title }}{% endblock %}"
    assert "answer_in_prompt" in rules(prompt + answer, targets="[title]")


@pytest.mark.parametrize(
    "prompt",
    [
        "{% macro s(q) %}{{ q | length }}{% endmacro %}{% block user %}{{ text }} {{ s(title) }}",
        "{% macro s(q) %}{{ q }}{% endmacro %}{% block user %}{{ s(text) }}",
        "{% macro s(q) %}{{ s(q) }}{% endmacro %}{% block user %}{{ text }} {{ s(text) }}",
        '{% block user %}{{ text }}{% if title == "x" %}Mind the x.{% endif %}',
        '{% block user %}{{ text }}{{ " Mind the x." if title == "x" else "" }}',
        "{% block user %}{{ text }}{% if title | length > 5 %}Be long.{% endif %}",
        "{% block user %}{{ text }} {{ title | length }} {{ title.split() | length }} {{ title is string }}",
        '{% block user %}{{ text | replace(title, "_") }} {{ text.replace(title, "_") }} {{ "_" * (title | length) }}',
        "{% block user %}{{ text }}{% for word in title.split() %} _{% endfor %}",
        "{% block user %}{{ text }}{% with title=text %}{{ title }}{% endwith %}",
        "{% block user %}{{ text }}{% for a, b in [(text, title)] %}{{ a }}{% endfor %}",
    ],
)
def test_a_declared_target_that_is_only_asked_about(rules, prompt):
    answer = "{% endblock %}{% block assistant %}{{ title }}{% endblock %}"
    assert "answer_in_prompt" not in rules(prompt + answer, targets="[title]")


def test_one_half_of_a_target_may_ask_for_the_other(rules):
    asked = "{% set half = title | length // 2 %}" + body("{{ text }} {{ title[:half] }}", "{{ title[half:] }}")
    assert "answer_in_prompt" not in rules(asked, targets="[title]")
    assert "answer_in_prompt" in rules(asked.replace("title[:half]", "title"), targets="[title]")


def test_choices_are_no_target_and_a_target_may_be_answered_with_by_another_name(rules):
    asked = body("{{ text }} {{ options | join(', ') }}", "{{ title | option(choices) }}")
    inputs, tests = "{text: , title: , options: {type: list}}", "[]"
    given = {"inputs": inputs, "tests": tests, "choices": "options"}
    assert "answer_in_prompt" not in rules(asked, targets="[title, options]", **given)
    renamed = "{% set said = title | trim %}" + body("{{ text }} {{ title }}", "{{ said }} {{ text }}")
    assert "answer_in_prompt" in rules(renamed, targets="[title]")


def test_what_is_asked_after_the_answer_is_no_leak(rules):
    more = "{% block user_2 %}Why {{ title }}?{% endblock %}{% block assistant_2 %}Since {{ text }}.{% endblock %}"
    assert "answer_in_prompt" not in rules(body("A title: {{ text[:3] }}") + more)


def test_a_turn_that_is_not_trained_on_and_one_of_another_branch_are_no_answers(rules):
    leaking = body("Title {{ title }} of {{ text }}?")
    more = "{% block user_2 %}{{ text }}?{% endblock %}{% block assistant_2 %}It is {{ text[:2] }}.{% endblock %}"
    assert rules(leaking + more, weights="{assistant: 0}") == []
    apart = (
        "{% if text == 'x' %}{% block user %}{{ text }} {{ title }}{% endblock %}{% else %}{% block user_2 %}{{ text }}"
    )
    apart += "{% endblock %}{% block assistant %}{{ title }}{% endblock %}{% endif %}"
    assert "answer_in_prompt" not in rules(apart)


def given(title):
    return f"[{{given: {{text: '{LONG}', title: '{title}'}}, expect: [{{role: user, content: x}}]}}]"


def test_an_answer_of_the_tests_that_stands_in_the_prompt(found):
    hidden = body("Repeat: {{ text | replace('x', 'y') }}", "{{ title[:999] }}")
    ((rule, message),) = found(hidden, tests=given(LONG))
    assert rule == "answer_in_prompt"
    assert "in 1 of 1 answers (first test 1)" in message


def test_short_answers_that_stand_in_the_prompt_are_what_extraction_is_about(rules):
    hidden = body("What comes and goes? {{ text | replace('x', 'y') }}", "{{ title[:999] }}")
    assert rules(hidden, tests=given("tides")) == []
    assert rules(hidden, tests=given("the tides")) == []


def test_answers_among_the_choices_are_meant_to_stand_in_the_prompt(rules):
    hidden = body("{{ text }}\n{{ choices | options }}", "{{ title | option(choices) | trim }}")
    choices = f"['{LONG}', 'The moon has nothing to do with it, and never had anything.']"
    assert rules(hidden, tests=given(LONG), choices=choices) == []


def test_rows_leak_when_half_of_them_do(found):
    hidden = body("Repeat: {{ text | replace('x', 'y') }}", "{{ title[:999] }}")
    leak, fine = {"text": LONG, "title": LONG}, {"text": LONG, "title": LONG[::-1] + " a b c d e f g h i"}
    ((rule, message),) = found(hidden, rows=[leak, fine])
    assert rule == "answer_in_prompt"
    assert "in 1 of 2 answers (first row 1)" in message
    assert found(hidden, rows=[leak, fine, fine]) == []
    assert found(hidden, rows=[leak, *[{"text": LONG, "title": "tides"}] * 2]) == []


def test_a_test_that_shows_the_one_case_that_copies_is_no_leak(rules):
    hidden = body("Correct: {{ text | replace('x', 'y') }}", "{{ title[:999] }}")
    other = "{given: {text: The sea, title: Der See}, expect: [{role: user, content: x}]}"
    assert rules(hidden, tests=given(LONG)) == ["answer_in_prompt"]
    assert rules(hidden, tests=given(LONG).replace("]}]", "]}, " + other + "]")) == []


def test_a_chinese_answer_is_long_by_its_characters(rules):
    hidden = body("请重复这句话：{{ text | replace('x', 'y') }}", "{{ title[:999] }}")
    long = "月亮引起潮汐，所以海水每天涨落两次，从不停歇。"
    tests = f"[{{given: {{text: {long}, title: TITLE}}, expect: [{{role: user, content: x}}]}}]"
    assert rules(hidden, tests=tests.replace("TITLE", long), languages="[zh]") == ["answer_in_prompt"]
    assert rules(hidden, tests=tests.replace("TITLE", "月亮引起潮汐"), languages="[zh]") == []


def test_a_template_may_allow_it(rules):
    assert rules(body("{{ text }} {{ title }}"), allow="[answer_in_prompt]") == []
