import pytest

ENGLISH = "Read the following news article from beginning to end and write down what it is about in your own words"
GERMAN = (
    "Lies den folgenden Artikel von Anfang bis Ende durch und schreibe mit deinen eigenen Worten auf, worum es geht"
)
CHINESE = "请仔细阅读下面的新闻，用一句话概括它的主要内容。"
JAPANESE = "次のニュースを読んで、その内容を一文でまとめてください。"


def body(words):
    answer = "{% block assistant %}{{ title }}{% endblock %}"
    return "{% block user %}" + words + "\n{{ text }}{% endblock %}" + answer


@pytest.mark.parametrize(("words", "tag"), [(ENGLISH, "zh"), (CHINESE, "en"), (GERMAN * 2, "en"), (ENGLISH * 2, "fr")])
def test_words_of_another_language(rules, words, tag):
    assert rules(body(words), languages=f"[{tag}]") == ["wrong_language"]


@pytest.mark.parametrize(
    ("words", "tag"),
    [
        (ENGLISH, "en"),
        (GERMAN, "de"),
        (CHINESE, "zh"),
        (CHINESE, "zh-Hans"),
        (JAPANESE, "ja"),
        ("Summarise:", "en"),
        ("Résumé :", "fr"),
        ("Question: Options: Answer:", "en"),
        ("总结：", "zh"),
        ('以 JSON 输出实体，键为 text、type、start、end，例如 {"text": "Berlin", "type": "LOC"}。', "zh"),
        ("Say what `总结下面的文章并写出标题` asks for", "en"),
        ("Translate 你好 into English", "en"),
        (ENGLISH, "gl"),  # no detector knows it
        (ENGLISH, "qaa"),  # nor do we
    ],
)
def test_words_of_the_language_that_is_said(rules, words, tag):
    assert rules(body(words), languages=f"[{tag}]") == []


def test_a_language_of_which_there_is_no_word(found):
    ((rule, message),) = found(body(ENGLISH), languages="[en, zh]")
    assert rule == "wrong_language"
    assert "says zh, but no word" in message
    assert found(body(ENGLISH + CHINESE), languages="[en, zh]") == []


def test_a_phrasing_in_a_language_that_is_not_said(found):
    keys = {"phrasings": f'["{CHINESE}", "{ENGLISH}"]', "languages": "[zh]"}
    ((rule, message),) = found(body("{{ phrasing }}"), **keys)
    assert rule == "wrong_language"
    assert message.startswith("phrasing '2' is in none of the languages")
    assert found(body("{{ phrasing }}"), **{**keys, "languages": "[zh, en]"}) == []


def test_a_template_of_words_says_its_language(rules):
    assert rules(languages=None) == ["missing_languages"]
    assert rules(body("```\n") + "", languages=None) == []
