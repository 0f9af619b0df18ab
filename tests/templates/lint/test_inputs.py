def test_the_same_answer_for_all_rows(rules):
    ask = "{% block user %}{{ text }} {{ title }}?{% endblock %}"
    assert rules(ask + "{% block assistant %}Yes.{% endblock %}") == ["constant_answer"]
    assert rules(ask + "{% block assistant %}{{ ['Yes', 'No'] | choice }}{% endblock %}") == ["constant_answer"]
    assert "constant_answer" not in rules(ask + "{% block assistant %}{% if text %}Yes{% endif %}.{% endblock %}")
    above = "{% set said = text | upper %}"
    assert "constant_answer" not in rules(above + ask + "{% block assistant %}{{ said[1:] }}{% endblock %}")


def test_the_same_text_for_all_rows(rules):
    assert "constant_answer" in rules("{% block text %}The moon.{% endblock %}{% set x = text ~ title %}")
    assert rules("{% block text %}{{ title }}\n\n{{ text }}{% endblock %}") == []


def test_what_is_drawn_above_or_remembered_in_a_loop_makes_no_constant(rules):
    drawn = "{% set first = [true, false] | choice %}"
    drawn += "{% block user %}Which is better? {% if first %}{{ text }} {{ title }}{% else %}{{ title }} {{ text }}"
    drawn += "{% endif %}{% endblock %}{% block assistant %}{{ 1 if first else 2 }}{% endblock %}"
    assert rules(drawn) == []
    named = drawn.replace(
        "{% block user %}", "{% set best = 2 %}{% if first %}{% set best = 1 %}{% endif %}{% block user %}"
    )
    assert rules(named.replace("{{ 1 if first else 2 }}", "{{ best }}")) == []
    looped = "{% set state = namespace(last='') %}{% set _ %}{% for c in text %}{% set state.last = c %}{% endfor %}"
    looped += "{% endset %}{% block user %}Last letter of {{ text }}? {{ title }}{% endblock %}"
    assert rules(looped + "{% block assistant %}{{ state.last }}{% endblock %}") == []


def test_a_first_answer_that_says_nothing_yet_is_no_constant_answer(rules):
    talk = "{% block user %}Help?{% endblock %}{% block assistant %}Sure.{% endblock %}"
    talk += "{% block user_2 %}{{ text }}{% endblock %}{% block assistant_2 %}{{ title }}{% endblock %}"
    assert rules(talk) == []


def test_a_prompt_that_asks_the_same_of_every_row(rules):
    answer = "{% block assistant %}{{ title }} {{ text }}{% endblock %}"
    assert rules("{% block user %}Tell me something.{% endblock %}" + answer) == ["constant_prompt"]
    assert rules("{% block user %}{{ ['Tell', 'Say'] | choice }} it.{% endblock %}" + answer) == ["constant_prompt"]
    system = "{% block system %}You know {{ text }}.{% endblock %}"
    assert "constant_prompt" not in rules(system + "{% block user %}Tell me something.{% endblock %}" + answer)


def test_an_optional_input_that_is_printed_without_a_condition(rules):
    optional = "{text: , title: {required: false}}"
    ask = "{% block user %}{{ text }}{% endblock %}{% block assistant %}"
    assert rules(ask + "A: {{ title }}{% endblock %}", inputs=optional) == ["unguarded_input"]
    for fine in ("A: {% if title %}{{ title }}{% endif %}", "A: {{ title or 'none' }}", "A: {{ title | default('') }}"):
        assert rules(ask + fine + "{% endblock %}", inputs=optional) == [], fine
    assert rules(ask + "A: {{ title }}{% endblock %}", inputs="{text: , title: {default: none}}") == []
