import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.templates.lint.likeness import ALIKE, FEWEST, alike, jaccard, shingles
from instructkit.templates.lint.run import lint

SETS = st.lists(st.frozensets(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("ab")), max_size=10), max_size=8)


@given(SETS, st.sampled_from([0.5, 0.6, ALIKE, 0.8, 0.9, 1.0]))
def test_every_pair_of_the_threshold_is_found_and_no_other(sets, threshold):
    expected = {
        (i, j)
        for j in range(len(sets))
        for i in range(j)
        if sets[i]
        and jaccard(sets[i], sets[j]) >= threshold
        and (min(len(sets[i]), len(sets[j])) >= FEWEST or sets[i] == sets[j])
    }
    assert {(pair.one, pair.other) for pair in alike(sets, threshold)} == expected


def similarity(one, other):
    return jaccard(*shingles([one, other]))


def test_case_and_punctuation_do_not_count():
    assert similarity("Sum up this article.", "sum up this article") == 1


def test_two_directions_of_a_translation_are_not_alike():
    assert (
        similarity("Translate this German sentence into English:", "Translate this English sentence into German:") < 0.5
    )
    assert similarity("把下面的中文句子翻译成英文", "把下面的英文句子翻译成中文") < 0.5


def asking(words):
    return f"{{% block user %}}{words}{{% endblock %}}{{% block assistant %}}{{{{ title }}}}{{% endblock %}}"


def found(*templates, others=()):
    return [f for f in lint(templates, others=others).findings if f.rule == "duplicate_template"]


def test_templates_with_nearly_the_same_wording_name_one_another(template):
    one = template(asking("Read the article below, then write a short and fitting title for it.\n{{ text }}"), "a/one")
    two = template(asking("Read the article below, then write a short, fitting title for it!\n{{ text }}"), "a/two")
    (finding,) = found(one, two)
    assert finding.template == "a/two"
    assert "alike to that of 'a/one'" in finding.message
    assert found(two, others=[one])[0].template == "a/two"
    assert found(one, others=[two])[0].template == "a/one"
    third = template(asking("Here is an article: {{ text }}\nWhich title would a newspaper have given it?"), "a/three")
    assert found(one, third) == []


def test_one_word_for_all_inputs_so_a_renamed_input_hides_nothing(template):
    one = template(asking("Write a short and fitting title for this text: {{ text }}"), "one")
    two = template(
        asking("Write a short and fitting title for this text: {{ body }}"), "two", inputs="[body, title]", tests="[]"
    )
    assert len(found(one, two)) == 1


def test_templates_of_hardly_any_words_repeat_nothing(template):
    assert found(*(template(asking("{{ text }}"), name) for name in "ab")) == []
    assert found(*(template(asking("Q: {{ text }}"), name) for name in "ab")) == []


def test_either_of_the_two_may_allow_it(template):
    words = asking("Write a short and fitting title for this text: {{ text }}")
    assert found(template(words, "a", allow="[duplicate_template]"), template(words, "b")) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("Sum up: {{ text }}", "sum up {{ text }}"), ("总结下面的文章：{{ text }}", "总结下面的文章 {{ text }}"),
     ("Write one short and fitting title for the article below: {{ text }}",
      "Write one short and fitting title for the article below, please: {{ text }}")],
)  # fmt: skip
def test_phrasings_that_hardly_differ(rules, one, other):
    keys = {"phrasings": f'["{one}", "{other}"]', "languages": "[en, zh]"}
    assert "similar_phrasings" in rules(asking("{{ phrasing }}"), **keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Sum up: {{ text }}", "{{ text }} Sum up."),
     ("Summarise this text: {{ text }}", "Summarise this article: {{ text }}"),
     ("{{ text }}", "Give it a title: {{ text }}")],
)  # fmt: skip
def test_phrasings_that_differ(rules, one, other):
    assert rules(asking("{{ phrasing }}"), phrasings=f'["{one}", "{other}"]') == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("{{ text }}\\n{{ genres | options }}", "{{ genres | options }}\\n{{ text }}"),
     ("{{ text }} {{ genres }}", "{{ genres }} {{ text }}"),
     ("Text: {{ text }} {{ genres }} {{ text }} {{ a }} {{ b }} {{ c }}",
      "{{ text }} {{ genres }} {{ text }} {{ a }} {{ b }} {{ c }}")],
)  # fmt: skip
def test_phrasings_of_few_words_are_told_apart_by_their_inputs(rules, one, other):
    inputs = "[text, title, genres, a, b, c]"
    rest = "{% if genres or a or b or c or text %}{% endif %}"
    keys = {"inputs": inputs, "tests": None, "phrasings": f'["{one}", "{other}"]'}
    assert "similar_phrasings" not in rules(rest + asking("{{ phrasing }}"), **keys)
    assert "similar_phrasings" in rules(
        rest + asking("{{ phrasing }}"), **{**keys, "phrasings": f'["{one}", "{one}."]'}
    )


def test_items_that_choice_print_different_inputs_are_no_repetition(rules):
    drawn = asking("Name it: {{ ['' ~ text ~ body, '' ~ body ~ text] | choice }}")
    assert "similar_phrasings" not in rules(drawn, inputs="[text, body, title]", tests=None)


def test_items_that_choice_draws_from_are_phrasings_too(rules):
    assert rules(asking("{{ ['Sum it up.', 'sum it up'] | choice }} {{ text }}")) == ["similar_phrasings"]
    assert rules(asking("{{ ['Sum it up.', 'In brief?'] | choice }} {{ text }}")) == []
