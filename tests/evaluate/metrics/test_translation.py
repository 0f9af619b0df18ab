import pytest

from instructkit.evaluate.metrics.answer import Answer
from instructkit.evaluate.metrics.translation import bleu, chrf

sacrebleu = pytest.importorskip("sacrebleu")

ENGLISH = [
    ("The cat sat on the mat.", "The cat sat on a mat."),
    ("He went home early today", "He went home early."),
    ("", "Nobody knows."),
]
CHINESE = [("今天天气很好。", "今天天气真好。"), ("我喜欢喝茶", "我很喜欢喝绿茶")]


def value(measure, pairs, language):
    found = measure([Answer(reply, [expected], language) for reply, expected in pairs])
    return found.value(found.statistics.sum(0))[0]


@pytest.mark.parametrize(
    ("pairs", "language", "tokenizer"), [(ENGLISH, "en", "13a"), (CHINESE, "zh", "zh"), (CHINESE, None, "zh")]
)
def test_bleu_is_that_of_sacrebleu(pairs, language, tokenizer):
    replies, expected = zip(*pairs, strict=True)
    reference = sacrebleu.corpus_bleu(replies, [expected], tokenize=tokenizer).score
    assert value(bleu, pairs, language) == pytest.approx(reference)
    assert reference > 0


@pytest.mark.parametrize("pairs", [ENGLISH, CHINESE])
def test_chrf_is_that_of_sacrebleu(pairs):
    replies, expected = zip(*pairs, strict=True)
    assert value(chrf, pairs, "en") == pytest.approx(sacrebleu.corpus_chrf(replies, [expected]).score)


def test_replies_that_are_all_empty_score_nothing():
    nothing = [("", "The sea."), ("", "The moon.")]
    assert value(bleu, nothing, "en") == 0
    assert value(chrf, nothing, "en") == 0


def test_examples_have_different_numbers_of_references():
    several = [Answer("a b c d", ["x y z w", "a b c d"], "en"), Answer("e f g h", ["e f g h"], "en")]
    found = bleu(several)
    assert found.value(found.statistics.sum(0))[0] == pytest.approx(100)
