CHOICES = "[negative, positive]"
ASK = "{% block user %}How does this sound? {{ text }}{% endblock %}"


def body(answer):
    return ASK + "{% block assistant %}" + answer + "{% endblock %}"


def test_an_answer_that_is_no_choice_and_a_choice_that_is_no_answer(found):
    messages = found(body("{{ 'good' if title == '1' else 'negative' }}"), choices=CHOICES)
    assert [rule for rule, _ in messages] == ["choice_mismatch"] * 2
    assert "never 'positive'" in messages[0][1]
    assert "'good', which `choices` does not list: negative, positive" in messages[1][1]


def test_answers_that_are_the_choices(rules):
    for answer in (
        "{{ 'positive' if title == '1' else 'negative' }}",
        "{{ ['negative', 'positive'][title | int] }}",
        "{{ {'0': 'negative', '1': 'positive'}[title] }}",
        "{{ choices[title | int] }}",
        "{% if title %}positive{% else %}negative{% endif %}",
        "{{ title | option(choices) }}",
    ):
        tests = "[{given: {text: Great., title: '1'}, expect: [{role: user, content: x}]}]"
        assert rules(body(answer), choices=CHOICES, tests=tests) == [], answer


def test_an_answer_of_the_tests_that_holds_no_choice(found):
    tests = "[{given: {text: Great., title: LABEL}, expect: [{role: user, content: x}]}]"
    ((rule, message),) = found(body("{{ title }}"), choices=CHOICES, tests=tests.replace("LABEL", "good"))
    assert rule == "choice_mismatch"
    assert "in test 1 the answer is 'good' and holds none of the choices: negative, positive" in message
    for fine in ("positive", "It sounds Positive."):
        assert found(body("{{ title }}"), choices=CHOICES, tests=tests.replace("LABEL", fine)) == []


def test_choices_of_an_input_are_those_of_the_row(rules):
    keys = {"choices": "options", "inputs": "[text, title, options]"}
    asked = body("{{ title }}").replace("{{ text }}", "{{ text }} {{ choices | join(', ') }}")
    row = {"text": "Great.", "title": "good", "options": ["good", "bad"]}
    assert rules(asked, rows=[row], tests=None, **keys) == ["missing_tests"]
    assert rules(asked, rows=[{**row, "title": "so-so"}], tests=None, **keys) == ["missing_tests", "choice_mismatch"]
