import polars as pl
import pytest

from instructkit.evaluate.metrics.answer import Measured
from instructkit.evaluate.result import Generation
from instructkit.evaluate.scores import distinct, reply_changes, reply_scores, with_scores
from instructkit.schema import Message


def reply(i, said, expected="yes", metrics=("exact_match",), **fields):
    return Generation(
        example_id=f"x{i}",
        template=f"t{i % 2}",
        prompt=[Message(role="user", content=f"{i}?")],
        expected=expected,
        reply=said,
        stopped=True,
        tokens=3,
        metrics=list(metrics),
        **fields,
    )


@pytest.fixture
def rows():
    names = [f"x{i}" for i in range(20)]
    return pl.DataFrame({
        "id": names,
        "group": [f"g{i}" for i in range(20)],
        "template": [f"t{i % 2}" for i in range(20)],
        "language": ["en", "zh"] * 10,
    })  # fmt: skip


def found(scores, by, name, metric):
    return next(s for s in scores if (s.by, s.name, s.metric) == (by, name, metric))


def test_scores_are_per_slice_with_intervals(rows):
    replies = [reply(i, "yes" if i % 4 else "no") for i in range(20)]
    scores = reply_scores(replies, rows, ["template", "language"])
    assert found(scores, "all", "all", "exact_match").value == 0.75
    even = found(scores, "template", "t0", "exact_match")
    assert (even.value, even.examples) == (0.5, 10)
    assert even.low < 0.5 < even.high
    assert found(scores, "language", "zh", "exact_match").value == 1.0
    assert found(scores, "language", "zh", "exact_match").low is None  # all agree
    assert found(scores, "all", "all", "stopped").value == 1
    assert found(scores, "all", "all", "tokens").value == 3


def test_each_metric_is_measured_where_it_is_declared(rows):
    replies = [reply(i, "yes", metrics=["exact_match"] if i % 2 else ["accuracy", "perplexity"]) for i in range(20)]
    scores = reply_scores(replies, rows, ["template"])
    assert {s.metric for s in scores if s.name == "t0"} == {
        *("accuracy", "macro_precision", "macro_recall", "macro_f1"),
        *("stopped", "tokens", "distinct_1", "distinct_2"),
    }
    assert found(scores, "all", "all", "exact_match").examples == 10


def test_several_samples_of_an_example_are_one_example(rows):
    replies = [reply(i, said, sample=n) for i in range(20) for n, said in enumerate(("yes", "no"))]
    score = found(reply_scores(replies, rows, []), "all", "all", "exact_match")
    assert (score.value, score.examples) == (0.5, 20)


def test_changes_are_paired_by_example_and_prompt(rows):
    before = [reply(i, "no") for i in range(20)]
    after = [reply(i, "yes" if i % 4 else "no") for i in range(12)]
    (change,) = [c for c in reply_changes(before, after, rows, []) if c.metric == "exact_match"]
    assert (change.value, change.examples) == (0.75, 12)
    assert 0 < change.low < 0.75 < change.high
    other = [reply(i, "no", expected="perhaps") for i in range(20)]
    assert reply_changes(other, after, rows, []) == []


def test_reasoning_before_an_answer_is_not_compared(rows):
    replies = [reply(0, "<think>\nno, or yes\n</think>\n\nyes")]
    assert found(reply_scores(replies, rows, []), "all", "all", "exact_match").value == 1


def test_single_replies_have_scores_of_their_own(rows):
    given = [reply(0, "yes", metrics=["accuracy", "bleu", "chrf"]), reply(1, "", metrics=["rougeL"])]
    scored = with_scores(given, rows)
    assert scored[0].scores == {"accuracy": 1.0, "chrf": pytest.approx(100)}
    assert scored[1].scores == {"rougeL": 0.0}


def test_no_replies_have_no_scores(rows):
    assert reply_scores([], rows, ["template"]) == []
    assert reply_changes([], [], rows, []) == []
    assert with_scores([], rows) == []


def test_distinct_counts_different_ngrams():
    said = [reply(0, "a b a b"), reply(1, "b c")]
    assert distinct(said, 1) == pytest.approx(3 / 6)
    assert distinct(said, 2) == pytest.approx(3 / 4)  # ab ba ab, bc
    assert distinct([reply(0, "")], 1) is None


def test_a_metric_is_computed_once_for_all_slices(rows, monkeypatch):
    import instructkit.evaluate.scores as module

    calls = []
    known = module.measures

    def counted(name):
        def measure(answers) -> Measured:
            calls.append(name)
            return known(name)(answers)

        return measure

    monkeypatch.setattr(module, "measures", counted)
    reply_scores([reply(i, "yes", metrics=["rougeL"]) for i in range(20)], rows, ["template", "language"])
    assert calls == ["rougeL"]
