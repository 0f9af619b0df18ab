import pytest

USER = "{% block user %}About {{ text }}?{% endblock %}"
TOOLS = "[{name: count}]"
CALL = "{% block assistant %}{{ tool_call('count', {}) }}{{ title }}{% endblock %}"
ANSWER = "{% block assistant %}{{ title }}{% endblock %}"


def test_a_clean_template_is_clean(rules):
    assert rules() == []
    assert rules(USER + ANSWER) == []


@pytest.mark.parametrize(
    "body",
    [
        USER + "{% block user_2 %}More.{% endblock %}" + ANSWER,
        USER + "{% if text %}{% block user_2 %}More.{% endblock %}{% endif %}" + ANSWER,
        USER + ANSWER + "{% block assistant_2 %}And {{ text }}.{% endblock %}",
        USER + "{% block tool %}3{% endblock %}" + ANSWER,
        USER + CALL + "{% block tool %}3{% endblock %}{% block user_2 %}So?{% endblock %}"
        "{% block assistant_2 %}{{ text }}{% endblock %}",
        # With no detour in between, the user speaks twice.
        USER + "{% if title == 'x' %}" + ANSWER + "{% endif %}{% block user_2 %}And?{% endblock %}"
        "{% block assistant_2 %}{{ text }}.{% endblock %}",
    ],
)
def test_turns_that_may_not_follow_one_another(rules, body):
    tools = {"tools": TOOLS} if "tool" in body else {}
    assert "role_order" in rules(body, **tools)


@pytest.mark.parametrize(
    "body",
    [
        "{% block system %}Be kind.{% endblock %}" + USER + ANSWER,
        USER + CALL + "{% block tool %}3{% endblock %}{% block tool_2 %}4{% endblock %}"
        "{% block assistant_2 %}{{ text }}{% endblock %}",
        # Either the one user turn or the other.
        "{% if text == 'a' %}{% block user %}A {{ text }}{% endblock %}{% else %}{% block user_2 %}B {{ text }}"
        "{% endblock %}{% endif %}" + ANSWER,
        "{% if text == 'a' %}{% block user %}A {{ text }}{% endblock %}{% endif %}{% if text != 'a' %}"
        "{% block user_2 %}B {{ text }}{% endblock %}{% endif %}" + ANSWER,
        # A detour of two turns.
        USER + "{% if text == 'a' %}" + ANSWER + "{% block user_2 %}And {{ text }}?{% endblock %}{% endif %}"
        "{% block assistant_2 %}{{ title }}.{% endblock %}",
    ],
)
def test_turns_that_may(rules, body):
    tools = {"tools": TOOLS} if "tool" in body else {}
    assert "role_order" not in rules(body, **tools)


def test_an_order_that_only_rendering_shows(found):
    body = (
        "{% if text %}{% block user %}A {{ text }}{% endblock %}{% endif %}"
        "{% if title %}{% block user_2 %}B {{ text }}{% endblock %}{% endif %}" + ANSWER
    )
    ((_, message),) = [each for each in found(body) if each[0] == "role_order"]
    assert message.startswith("in test 1 two user turns in a row")


def test_a_last_turn_that_nothing_answers(rules):
    last = "{% block user_2 %}Thanks for {{ title }}.{% endblock %}"
    assert rules(USER + ANSWER + last) == ["unanswered"]
    assert "unanswered" not in rules(USER + ANSWER + last + "{% block assistant_2 %}{{ text }}{% endblock %}")
    # Where the condition holds, the branch ends with its own answer.
    detour = "{% if text %}" + last + "{% block assistant_2 %}{{ text }}{% endblock %}{% endif %}"
    assert "unanswered" not in rules(USER + ANSWER + detour)


def test_an_assistant_that_speaks_first(rules):
    assert rules("{% block assistant %}{{ title }}{{ text }}{% endblock %}") == ["no_prompt"]
    system = "{% block system %}Say {{ text }}.{% endblock %}"
    assert rules(system + ANSWER) == ["no_prompt"]


@pytest.mark.parametrize("inside", ["", "  \n", "{# later #}", "{% set x = 1 %}", "{% if text %} {% endif %}"])
def test_a_block_without_anything_to_print(rules, inside):
    body = "{% block system %}" + inside + "{% endblock %}" + USER + ANSWER
    assert "empty_turn" in rules(body)


@pytest.mark.parametrize("inside", ["a", "{{ text }}", "{% for c in text %}{{ c }}{% endfor %}"])
def test_a_block_that_prints_something(rules, inside):
    assert "empty_turn" not in rules("{% block system %}" + inside + "{% endblock %}" + USER + ANSWER)
