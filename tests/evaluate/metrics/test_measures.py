import math

import numpy as np
import pytest

from instructkit.evaluate.metrics.answer import Answer
from instructkit.evaluate.metrics.measures import ELSEWHERE, MOST_CLASSES, known, measures
from instructkit.templates.frontmatter import Metric


def score(metric, *pairs, language="en"):
    """Measures by name of (reply, expected) pairs."""
    answers = [
        Answer(reply, [expected] if isinstance(expected, str) else expected, language) for reply, expected in pairs
    ]
    found = measures(metric)(answers)
    return dict(zip(found.names, found.value(found.statistics.sum(0)).tolist(), strict=True))


def test_every_metric_that_a_template_may_declare_is_measured_or_explained():
    assert {*known(), *ELSEWHERE} == set(Metric.__args__)


def test_exact_match_is_strict_and_its_normalised_form_is_not():
    found = score("exact_match", ("Paris", "Paris"), ("paris.", "Paris"), ("the Paris ", "Paris"), ("Rome", "Paris"))
    assert found == {"exact_match": 0.25, "normalised_match": 0.75}


def test_an_answer_of_punctuation_is_matched_as_it_is():
    assert score("exact_match", ("!", "?")) == {"exact_match": 0.0, "normalised_match": 0.0}


def test_json_is_compared_by_value():
    found = score(
        "exact_match", ('{"b": 1,"a": [2]}', '{"a": [2], "b": 1}'), ('{"a": 2}', '{"a": 1}'), ("a 1", '{"a": 1}')
    )
    assert found == {"exact_match": 0.0, "normalised_match": pytest.approx(1 / 3)}


@pytest.mark.parametrize("metric", ["exact_match", "accuracy", "token_f1", "rougeL", "edit_similarity", "bleu", "chrf"])
def test_any_accepted_answer_is_right(metric):
    full = 100 if metric in ("bleu", "chrf") else 1
    said = "the moon pulls the whole sea"
    assert next(iter(score(metric, (said, ["it does", said])).values())) == pytest.approx(full)


def test_macro_averages_are_over_the_expected_classes():
    pairs = [("A. yes", "A. yes"), ("yes", "yes"), ("yes", "no"), ("no", "no"), ("perhaps", "maybe"), ("", "maybe")]
    found = score("accuracy", *pairs)
    # yes: 2 of 3 given, 2 of 2 found; no: 1 of 1, 1 of 2; maybe: never given, 0 of 2.
    assert found["accuracy"] == 0.5
    assert found["macro_precision"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["macro_recall"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)


def test_a_class_that_a_resample_misses_is_left_out_of_its_mean():
    answers = [Answer("yes", ["yes"], "en"), Answer("yes", ["no"], "en")]
    found = measures("accuracy")(answers)
    only_first = found.value(2 * found.statistics[0])
    assert only_first.tolist() == [1, 1, 1, 1]


def test_answers_of_free_form_have_no_macro_averages():
    assert set(score("accuracy", *((str(i), str(i)) for i in range(MOST_CLASSES + 1)))) == {"accuracy"}


def test_items_are_averaged_over_all_items_not_over_examples():
    assert score("f1", ("a1, b1, c1", "a1, b1, c1"), ("x1", "y1")) == {"f1": pytest.approx(2 * 3 / 8)}


def test_json_is_asked_for_only_where_it_is_expected():
    found = score("json_valid", ('{"a": 1}', '{"a": 2}'), ('```json\n{"a": 1}\n```', "{}"), ("fine", "plain words"))
    assert found == {"json_valid": 0.5}
    assert math.isnan(score("json_valid", ("fine", "plain words"))["json_valid"])


@pytest.mark.parametrize("metric", known())
def test_an_empty_reply_has_a_score(metric):
    values = score(metric, ("", '["a", "b"]'), ("x", '["c", "d"]')).values()
    assert all(0 <= value <= 100 for value in values)


@pytest.mark.parametrize("metric", known())
def test_a_value_takes_many_sums_at_once(metric):
    answers = [Answer("one two three four five", ["one two three four six"], "en"), Answer("[1]", ["[1]"], "en")]
    found = measures(metric)(answers)
    sums = np.stack([found.statistics.sum(0), found.statistics[0], found.statistics[1]]).reshape(1, 3, -1)
    values = found.value(sums)
    assert values.shape == (1, 3, len(found.names))
    np.testing.assert_allclose(values[0, 0], found.value(found.statistics.sum(0)))
