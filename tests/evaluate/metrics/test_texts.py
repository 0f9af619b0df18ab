import pytest

from instructkit.evaluate.metrics.texts import items, normalised, option, parsed, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Eiffel Tower.", "eiffel tower"),
        ("An answer: 1,000!", "answer 1000"),
        ("答案是“北京”。", "答案是 北京"),
        ("ＡＢＣ１２", "abc12"),
        ("Theatre", "theatre"),
        ("the", ""),
    ],
)
def test_normalised_as_in_squad(text, expected):
    assert normalised(text) == expected


def test_scripts_without_spaces_are_tokens_by_character():
    assert tokens("Ping-pong 乒乓球 OK_2 ไทย") == ("ping", "pong", "乒", "乓", "球", "ok", "2", *"ไทย")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("B. positive", "positive"),
        ("Positive.", "(B) positive"),
        ("B", "B. positive"),
        ("(b)", "B) positive"),
        ("（B）正面", "B、正面"),
        ("A. positive", "B. positive"),  # the words decide
        ("no!", "No."),
        ("3.14", "3.14"),
    ],
)
def test_an_option_is_told_by_its_words_or_its_label(reply, expected):
    assert option(reply).means(option(expected))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("A", "B. positive"), ("B. negative", "B. positive"), ("", "B. positive"), ("3.14", "14"), ("A dog", "dog house")],
)
def test_another_option_is_not(reply, expected):
    assert not option(reply).means(option(expected))


def test_items_are_the_same_in_lines_and_in_json():
    lines = "person: Marie Curie\nplace: Warsaw; Paris"
    assert sorted(items(lines)) == sorted(items('{"place": ["Paris", "Warsaw"], "person": ["Marie Curie"]}'))
    assert items("- tides\n- the moon") == items("tides, moon") == items('["Tides", "moon."]')
    assert len(items("(Linux; created by; Linus Torvalds)\n(A; born in; B)")) == 2


def test_only_objects_and_arrays_count_as_json():
    assert parsed(' {"a": 1} ') == {"a": 1}
    assert parsed("42") is None
    assert parsed("[1, 2") is None
    assert parsed("") is None
